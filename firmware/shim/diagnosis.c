/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a handshake failed. Zephyr's TLS sockets log mbedTLS's error and give errno ECONNABORTED. They are
 * compiled to call azure_ssl_handshake (see CMakeLists.txt), where the error, the server's alert and the result of
 * the certificate check are noted on their way.
 */
/* It looks into mbedTLS's structures, which has no functions for what it reads. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <ssl_misc.h>
#include <zephyr/kernel.h>

#include "azure_shim.h"

/* Where the handshake that runs is noted. There is one at a time (azure_handshake_begin()). */
static struct azure_handshake *watched;
/* Why the hub's connection could not be read; there is one at a time. */
static struct azure_handshake broken;

void azure_handshake_watch(struct azure_handshake *handshake)
{
	watched = handshake;
	if (!azure_in_download()) {
		memset(&broken, 0, sizeof(broken));
	}
}

void azure_tls_broken(struct azure_handshake *reason)
{
	*reason = broken;
	memset(&broken, 0, sizeof(broken));
}

static uint32_t certificate_flags(uint32_t flags)
{
	uint32_t result = 0;

	result |= (flags & MBEDTLS_X509_BADCERT_EXPIRED) ? AZURE_CERTIFICATE_EXPIRED : 0;
	result |= (flags & MBEDTLS_X509_BADCERT_FUTURE) ? AZURE_CERTIFICATE_FUTURE : 0;
	result |= (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) ? AZURE_CERTIFICATE_WRONG_NAME : 0;
	result |= (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) ? AZURE_CERTIFICATE_NOT_TRUSTED : 0;
	result |= (flags & MBEDTLS_X509_BADCERT_KEY_USAGE) ? AZURE_CERTIFICATE_KEY_USAGE : 0;
	result |= (flags & MBEDTLS_X509_BADCERT_EXT_KEY_USAGE) ? AZURE_CERTIFICATE_PURPOSE : 0;
	result |= (flags & MBEDTLS_X509_BADCERT_BAD_MD) ? AZURE_CERTIFICATE_WEAK : 0;
	result |= (flags & MBEDTLS_X509_BADCERT_BAD_KEY) ? AZURE_CERTIFICATE_SMALL_KEY : 0;
	result |= (flags & MBEDTLS_X509_BADCERT_BAD_PK) ? AZURE_CERTIFICATE_ALGORITHM : 0;
	flags &= ~(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE |
		   MBEDTLS_X509_BADCERT_CN_MISMATCH | MBEDTLS_X509_BADCERT_NOT_TRUSTED |
		   MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
		   MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_KEY |
		   MBEDTLS_X509_BADCERT_BAD_PK);
	return result | (flags != 0 ? AZURE_CERTIFICATE_OTHER : 0);
}

/*
 * After a handshake, nothing looks at the trusted roots, the device's certificate and its key again:
 * renegotiation and session resumption are not compiled in. Zephyr frees them with the socket; freed here,
 * their memory is free for the hours of the connection, and the key is not in the heap.
 */
static void release_credentials(mbedtls_ssl_context *ssl)
{
	const mbedtls_ssl_config *config = ssl->conf;
	mbedtls_ssl_key_cert *own = config->key_cert;

	mbedtls_x509_crt_free(config->ca_chain);
	if (own != NULL) {
		mbedtls_x509_crt_free(own->cert);
		mbedtls_pk_free(own->key);
	}
}

/* Whether the record that arrived is TLS's and exceeds the input buffer (RFC 5246, section 6.2.1). */
static bool record_too_long(const mbedtls_ssl_context *ssl)
{
	const unsigned char *header = ssl->in_hdr;

	return header[0] >= MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC &&
	       header[0] <= MBEDTLS_SSL_MSG_APPLICATION_DATA && header[1] == MBEDTLS_SSL_MAJOR_VERSION_3 &&
	       (header[3] << 8 | header[4]) > MBEDTLS_SSL_IN_CONTENT_LEN;
}

/*
 * Whether the chain was read and found wanting. Usages and the key's curve are checked after the chain itself, with an
 * error of their own and a flag; before all checks, every flag is set.
 */
static bool is_found_wanting(const mbedtls_ssl_context *ssl)
{
	uint32_t flags = mbedtls_ssl_get_verify_result(ssl);

	return flags != 0 && flags != UINT32_MAX;
}

static uint32_t kind_of(const mbedtls_ssl_context *ssl, int code)
{
	/* A low-level code is added to a high-level one, which says what failed. */
	int high = -(-code & 0xFF80);

	switch (high != 0 ? high : code) {
	case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
		return AZURE_TLS_VERIFY;
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return AZURE_TLS_ALERT;
	case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
	case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
	case MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER:
	case MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION:
		return AZURE_TLS_NEGOTIATION;
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
		return record_too_long(ssl) ? AZURE_TLS_TOO_LONG : AZURE_TLS_OTHER;
	case MBEDTLS_ERR_SSL_BAD_INPUT_DATA: /* more was to be read than fits the buffer */
	case MBEDTLS_ERR_SSL_FEATURE_UNAVAILABLE: /* a message in more than one record */
	case MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL:
		return AZURE_TLS_TOO_LONG;
	case MBEDTLS_ERR_NET_RECV_FAILED:
	case MBEDTLS_ERR_NET_SEND_FAILED:
	case MBEDTLS_ERR_SSL_CONN_EOF:
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
	case MBEDTLS_ERR_SSL_TIMEOUT:
		return AZURE_TLS_INTERRUPTED;
	case MBEDTLS_ERR_MPI_ALLOC_FAILED:
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
	case MBEDTLS_ERR_X509_ALLOC_FAILED:
	case MBEDTLS_ERR_PK_ALLOC_FAILED:
	case MBEDTLS_ERR_ECP_ALLOC_FAILED:
		return AZURE_TLS_NO_MEMORY;
	case MBEDTLS_ERR_SSL_BAD_CERTIFICATE:
		return is_found_wanting(ssl) ? AZURE_TLS_VERIFY : AZURE_TLS_BAD_CERTIFICATE;
	case MBEDTLS_ERR_X509_INVALID_FORMAT:
	case MBEDTLS_ERR_X509_INVALID_EXTENSIONS:
	case MBEDTLS_ERR_X509_INVALID_SIGNATURE:
	case MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG:
	case MBEDTLS_ERR_X509_SIG_MISMATCH:
		return AZURE_TLS_BAD_CERTIFICATE;
	case MBEDTLS_ERR_SSL_PRIVATE_KEY_REQUIRED:
		return AZURE_TLS_OWN_CREDENTIAL;
	default:
		return AZURE_TLS_OTHER;
	}
}

static void note(struct azure_handshake *to, const mbedtls_ssl_context *ssl, int code)
{
	/* -0x0010 (no memory for a number) may come added to any high-level code. */
	bool no_memory = (-code & 0x7F) == -MBEDTLS_ERR_MPI_ALLOC_FAILED;

	to->code = code;
	to->kind = no_memory ? AZURE_TLS_NO_MEMORY : kind_of(ssl, code);
	if (to->kind == AZURE_TLS_ALERT) {
		/* The record holds level and description (RFC 5246, section 7.2). */
		to->alert = ssl->in_msg[1];
	}
	if (to->kind == AZURE_TLS_TOO_LONG) {
		to->record = ssl->in_hdr[3] << 8 | ssl->in_hdr[4];
	}
	if (to->kind == AZURE_TLS_VERIFY) {
		to->flags |= certificate_flags(mbedtls_ssl_get_verify_result(ssl));
	}
}

static bool is_name(const mbedtls_x509_buf *one, const mbedtls_x509_buf *other)
{
	return one->len == other->len && memcmp(one->p, other->p, one->len) == 0;
}

/*
 * mbedTLS passes over an issuer that must not sign, and says that it found none. Gives why it passed over those that the
 * server sent (mbedTLS looks behind the certificate too).
 */
static uint32_t unfit_issuer(const mbedtls_x509_crt *certificate)
{
	const mbedtls_x509_crt *issuer = certificate->next;

	while (issuer != NULL && !is_name(&issuer->subject_raw, &certificate->issuer_raw)) {
		issuer = issuer->next;
	}
	if (issuer == NULL) {
		return 0;
	}
	if (!issuer->ca_istrue) {
		return AZURE_CERTIFICATE_ISSUER_NOT_CA;
	}
	return mbedtls_x509_crt_check_key_usage(issuer, MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0
		       ? AZURE_CERTIFICATE_ISSUER_USAGE
		       : 0;
}

int azure_certificate_seen(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	ARG_UNUSED(context);
	if (watched == NULL || (*flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) == 0) {
		return 0;
	}
	if (!is_name(&certificate->issuer_raw, &certificate->subject_raw)) {
		watched->flags |= unfit_issuer(certificate);
	} else if (depth == 0) {
		watched->flags |= AZURE_CERTIFICATE_SELF_SIGNED;
	}
	return 0;
}

int azure_ssl_handshake(mbedtls_ssl_context *ssl);

int azure_ssl_handshake(mbedtls_ssl_context *ssl)
{
	int code = mbedtls_ssl_handshake(ssl);

	if (watched == NULL) {
		return code;
	}
	watched->started = 1;
	if (code == 0) {
		watched->suite = mbedtls_ssl_get_ciphersuite_id_from_ssl(ssl);
		release_credentials(ssl);
	} else if (code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_WANT_WRITE) {
		note(watched, ssl, code);
	}
	return code;
}

int azure_ssl_read(mbedtls_ssl_context *ssl, unsigned char *buffer, size_t length);

/* An alert, or a record that does not fit, is told; the network's own failures have their errno. */
int azure_ssl_read(mbedtls_ssl_context *ssl, unsigned char *buffer, size_t length)
{
	int code = mbedtls_ssl_read(ssl, buffer, length);

	if (code < 0 && code != MBEDTLS_ERR_SSL_WANT_READ && code != MBEDTLS_ERR_SSL_WANT_WRITE &&
	    !azure_in_download()) {
		note(&broken, ssl, code);
	}
	return code;
}
