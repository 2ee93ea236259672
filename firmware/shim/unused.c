/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What TLS with IoT Hub never does, and tables and options of mbedTLS and Zephyr's sockets keep in the image all the
 * same. They are compiled to call these (see CMakeLists.txt), and what stands behind is left out: some 2 KB.
 */
#include <mbedtls/error.h>
#include <mbedtls/rsa.h>
#include <mbedtls/ssl.h>

/* Sessions to resume: IoT Hub resumes none, and TLS_SESSION_CACHE is not asked for. */
__typeof__(mbedtls_ssl_get_session) azure_no_session;
__typeof__(mbedtls_ssl_session_load) azure_no_session_load;
/* Encryption by RSA: keys are exchanged by ECDHE only, and RSA signs. */
__typeof__(mbedtls_rsa_pkcs1_encrypt) azure_no_rsa_encrypt;
__typeof__(mbedtls_rsa_pkcs1_decrypt) azure_no_rsa_decrypt;

int azure_no_session(const mbedtls_ssl_context *ssl, mbedtls_ssl_session *session)
{
	(void)ssl;
	(void)session;
	return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
}

int azure_no_session_load(mbedtls_ssl_session *session, const unsigned char *buffer, size_t length)
{
	(void)session;
	(void)buffer;
	(void)length;
	return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
}

int azure_no_rsa_encrypt(mbedtls_rsa_context *rsa, int (*random)(void *, unsigned char *, size_t), void *context,
			 size_t length, const unsigned char *input, unsigned char *output)
{
	(void)rsa;
	(void)random;
	(void)context;
	(void)length;
	(void)input;
	(void)output;
	return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
}

int azure_no_rsa_decrypt(mbedtls_rsa_context *rsa, int (*random)(void *, unsigned char *, size_t), void *context,
			 size_t *length, const unsigned char *input, unsigned char *output, size_t capacity)
{
	(void)rsa;
	(void)random;
	(void)context;
	(void)length;
	(void)input;
	(void)output;
	(void)capacity;
	return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
}
