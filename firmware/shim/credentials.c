/* SPDX-License-Identifier: Apache-2.0 */
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <zephyr/kernel.h>
#include <zephyr/net/tls_credentials.h>
#include <zephyr/random/random.h>

#include "azure_shim.h"

static int random_bytes(void *context, unsigned char *buffer, size_t length)
{
	ARG_UNUSED(context);
	return azure_random(buffer, length) == 0 ? 0 : -1;
}

static enum tls_credential_type type_of(uint32_t kind)
{
	switch (kind) {
	case AZURE_CREDENTIAL_CERTIFICATE:
		return TLS_CREDENTIAL_PUBLIC_CERTIFICATE;
	case AZURE_CREDENTIAL_KEY:
		return TLS_CREDENTIAL_PRIVATE_KEY;
	default:
		return TLS_CREDENTIAL_CA_CERTIFICATE;
	}
}

void azure_credential_remove(int32_t tag)
{
	(void)tls_credential_delete(tag, TLS_CREDENTIAL_CA_CERTIFICATE);
	(void)tls_credential_delete(tag, TLS_CREDENTIAL_PUBLIC_CERTIFICATE);
	(void)tls_credential_delete(tag, TLS_CREDENTIAL_PRIVATE_KEY);
}

int32_t azure_check_certificate(const uint8_t *der, uint32_t length)
{
	mbedtls_x509_crt certificate;
	int result;

	mbedtls_x509_crt_init(&certificate);
	result = mbedtls_x509_crt_parse_der_nocopy(&certificate, der, length);
	mbedtls_x509_crt_free(&certificate);
	return result;
}

int32_t azure_check_key(const uint8_t *der, uint32_t length)
{
	mbedtls_pk_context key;
	int result;

	mbedtls_pk_init(&key);
	result = mbedtls_pk_parse_key(&key, der, length, NULL, 0, random_bytes, NULL);
	mbedtls_pk_free(&key);
	return result;
}

int32_t azure_credential_add(int32_t tag, uint32_t kind, const uint8_t *der, uint32_t length)
{
	int result = kind == AZURE_CREDENTIAL_KEY ? azure_check_key(der, length) : azure_check_certificate(der, length);

	if (result == 0 && tls_credential_add(tag, type_of(kind), der, length) != 0) {
		return AZURE_CREDENTIAL_NO_ROOM;
	}
	return result;
}

int32_t azure_check_pair(const uint8_t *certificate_der, uint32_t certificate_length, const uint8_t *key_der,
			 uint32_t key_length)
{
	mbedtls_x509_crt certificate;
	mbedtls_pk_context key;
	int result;

	mbedtls_x509_crt_init(&certificate);
	mbedtls_pk_init(&key);
	result = mbedtls_x509_crt_parse_der_nocopy(&certificate, certificate_der, certificate_length);
	if (result == 0) {
		result = mbedtls_pk_parse_key(&key, key_der, key_length, NULL, 0, random_bytes, NULL);
	}
	if (result == 0) {
		result = mbedtls_pk_check_pair(&certificate.pk, &key, random_bytes, NULL);
	}
	mbedtls_pk_free(&key);
	mbedtls_x509_crt_free(&certificate);
	return result;
}
