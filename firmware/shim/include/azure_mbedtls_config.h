/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mbedTLS options that Zephyr's Kconfig does not have. Included at the end of Zephyr's own configuration
 * by CONFIG_MBEDTLS_USER_CONFIG_FILE.
 */
#ifndef AZURE_MBEDTLS_CONFIG_H_
#define AZURE_MBEDTLS_CONFIG_H_

#include <stddef.h>
#include <time.h>

/*
 * Buffers: IoT Hub sends its Certificate message in one record; a device sends short ones, and a longer one only
 * with a certificate of its own, so that the output buffer is sized for each connection (shim/socket.c). mbedTLS
 * looks at the length while the connection is open too, so that two connections at a time have one length.
 */
#undef MBEDTLS_SSL_IN_CONTENT_LEN
#undef MBEDTLS_SSL_OUT_CONTENT_LEN
#define MBEDTLS_SSL_IN_CONTENT_LEN CONFIG_AZURE_TLS_IN_CONTENT_LEN
#if defined(CONFIG_AZURE_UPDATE_HTTPS)
#define MBEDTLS_SSL_OUT_CONTENT_LEN CONFIG_AZURE_TLS_OUT_CONTENT_LEN
#else
extern size_t azure_tls_out_content_len;
#define MBEDTLS_SSL_OUT_CONTENT_LEN azure_tls_out_content_len
#endif

/*
 * A client. No max_fragment_length extension: a hub that honours it splits its Certificate message, which
 * this mbedTLS cannot put together again.
 */
#undef MBEDTLS_SSL_SRV_C
#undef MBEDTLS_SSL_MAX_FRAGMENT_LENGTH

/* The server's certificates are checked where they lie in the input buffer, and not kept. */
#undef MBEDTLS_SSL_KEEP_PEER_CERTIFICATE

/*
 * Speed for memory: the smallest windows of exponentiation and point multiplication, and no tables of
 * fixed points. A handshake takes longer, and there are few.
 */
#undef MBEDTLS_MPI_WINDOW_SIZE
#undef MBEDTLS_ECP_WINDOW_SIZE
#undef MBEDTLS_ECP_FIXED_POINT_OPTIM
#define MBEDTLS_MPI_WINDOW_SIZE 1
#define MBEDTLS_ECP_WINDOW_SIZE 2
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 0

/* What IoT Hub speaks; without this, a list of all suites is kept. */
#define MBEDTLS_SSL_CIPHERSUITES                                                                            \
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,     \
		MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,                                            \
		MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384

/* What IoT Hub does not speak, or TLS 1.3 alone: mbedTLS's Kconfig has it by default. */
#undef MBEDTLS_KEY_EXCHANGE_RSA_ENABLED
#undef MBEDTLS_CIPHER_MODE_CBC
#undef MBEDTLS_PKCS1_V21
#undef MBEDTLS_X509_RSASSA_PSS_SUPPORT

/* GCM only encrypts. */
#define MBEDTLS_BLOCK_CIPHER_NO_DECRYPT
#define MBEDTLS_SHA512_SMALLER

/* Texts that no one reads here. */
#define MBEDTLS_X509_REMOVE_INFO

/* Certificates' dates are checked against the clock that SNTP set, on simulators too (shim/clock.c). */
time_t azure_mbedtls_time(time_t *now);
#define MBEDTLS_PLATFORM_TIME_MACRO azure_mbedtls_time

#endif /* AZURE_MBEDTLS_CONFIG_H_ */
