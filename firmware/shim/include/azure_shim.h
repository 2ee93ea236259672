/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zephyr's macros and inline calls as plain functions, for Rust. No decisions are made here.
 *
 * Functions that can fail give a value of 0 or more, or -(enum azure_error). errno has other values in
 * other C libraries, so it is compared here; azure_errno() gives it raw, for a log line.
 */
#ifndef AZURE_SHIM_H_
#define AZURE_SHIM_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum azure_error {
	AZURE_OK = 0,
	AZURE_AGAIN = 1,
	AZURE_REFUSED = 2,
	AZURE_TIMED_OUT = 3,
	AZURE_UNREACHABLE = 4,
	AZURE_NO_MEMORY = 5,
	AZURE_INVALID = 6,
	AZURE_NOT_FOUND = 7,
	AZURE_CLOSED = 8,
	AZURE_OTHER = 9,
};

/* -(enum azure_error) for an errno value. */
int32_t azure_error_of(int32_t errno_value);
/* errno of the calling thread, as it is. */
int32_t azure_errno(void);

/* log.c */
/* Levels, by the numbers of Zephyr's logging and of CONFIG_AZURE_LOG_LEVEL. */
enum azure_level {
	AZURE_LEVEL_OFF = 0,
	AZURE_LEVEL_ERROR = 1,
	AZURE_LEVEL_WARNING = 2,
	AZURE_LEVEL_INFO = 3,
	AZURE_LEVEL_DEBUG = 4,
};
void azure_log(uint32_t level, const char *line);
/* The same for C, at most 95 bytes. */
void azure_log_format(uint32_t level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* clock.c */
uint64_t azure_uptime_ms(void);
/* Keeps interrupts and other threads off; gives the key for azure_unlock(). Nests. */
uint32_t azure_lock(void);
void azure_unlock(uint32_t key);
/* Milliseconds since 1970, or 0 before the clock has been set. */
uint64_t azure_unix_ms(void);
void azure_set_unix_ms(uint64_t unix_ms);
void azure_sleep_ms(uint32_t milliseconds);

struct azure_address {
	uint32_t length;
	uint32_t data[7]; /* a struct sockaddr_in or sockaddr_in6 */
};

/* resolve.c, or ism43362_network.c */
/* Resolves a name; gives how many addresses were written. `stream`: TCP, otherwise UDP. */
int32_t azure_resolve(const char *host, const char *port, bool stream, struct azure_address *addresses,
		      uint32_t capacity);
/* A connection to this address came to be: the next names are asked for its family first. */
void azure_prefer_family(const struct azure_address *address);

/* socket.c */
/* Opens a UDP socket that sends to this address, and gets its datagrams only. Gives a socket, for azure_send() too. */
int32_t azure_udp_connect(const struct azure_address *address);
/* Opens a connection of TCP without TLS. Blocks for CONFIG_NET_SOCKETS_CONNECT_TIMEOUT at most. Gives a socket. */
int32_t azure_tcp_connect(const struct azure_address *address, uint32_t send_timeout_ms);
/*
 * Takes what is there, or a datagram as far as it fits; waits for it if there is nothing. -AZURE_AGAIN: nothing came, or
 * nothing yet.
 */
int32_t azure_receive_within(int32_t socket, uint8_t *buffer, uint32_t length, uint32_t timeout_ms);

/* How a handshake failed: the kinds of mbedTLS errors, for the same reason as enum azure_error. */
enum azure_tls_error {
	AZURE_TLS_NONE = 0,
	AZURE_TLS_VERIFY = 1,
	AZURE_TLS_ALERT = 2,
	AZURE_TLS_NEGOTIATION = 3,
	AZURE_TLS_TOO_LONG = 4,
	AZURE_TLS_INTERRUPTED = 5,
	AZURE_TLS_NO_MEMORY = 6,
	AZURE_TLS_BAD_CERTIFICATE = 7,
	AZURE_TLS_OWN_CREDENTIAL = 8,
	AZURE_TLS_OTHER = 9,
};

#define AZURE_CERTIFICATE_EXPIRED     0x01
#define AZURE_CERTIFICATE_FUTURE      0x02
#define AZURE_CERTIFICATE_WRONG_NAME  0x04
#define AZURE_CERTIFICATE_NOT_TRUSTED 0x08
#define AZURE_CERTIFICATE_SELF_SIGNED 0x10
#define AZURE_CERTIFICATE_OTHER       0x20
#define AZURE_CERTIFICATE_KEY_USAGE   0x40
#define AZURE_CERTIFICATE_PURPOSE     0x80
#define AZURE_CERTIFICATE_WEAK        0x100
#define AZURE_CERTIFICATE_SMALL_KEY   0x200
#define AZURE_CERTIFICATE_ALGORITHM   0x400
#define AZURE_CERTIFICATE_ISSUER_USAGE  0x800  /* with NOT_TRUSTED: a CA of the chain may not sign certificates */
#define AZURE_CERTIFICATE_ISSUER_NOT_CA 0x1000 /* with NOT_TRUSTED: the issuer in the chain is no CA */

/* What happened in a TLS handshake. */
struct azure_handshake {
	uint32_t started; /* 1 once TCP is connected and the handshake began */
	uint32_t kind;    /* enum azure_tls_error */
	int32_t code;     /* mbedTLS's error, 0 if there was none */
	uint32_t alert;   /* the server's, with AZURE_TLS_ALERT */
	uint32_t flags;   /* AZURE_CERTIFICATE_..., with AZURE_TLS_VERIFY */
	uint32_t suite;   /* the cipher suite by its number (RFC 5289), once the handshake is complete */
	uint32_t record;  /* length of the record that did not fit, with AZURE_TLS_TOO_LONG */
};

/*
 * Connects and completes the handshake: peer verification required, SNI, the credentials of these tags, and an
 * output buffer of this length, which must hold the device's own Certificate message. No other connection may be
 * open; with CONFIG_AZURE_UPDATE_HTTPS one of a download may, and the output buffer has its largest length. Gives a
 * socket. Blocks for CONFIG_NET_SOCKETS_CONNECT_TIMEOUT at most for TCP and for TLS.
 */
int32_t azure_tls_connect(const struct azure_address *address, const char *host_name, const int32_t *tags,
			  uint32_t tag_count, uint32_t output_length, uint32_t send_timeout_ms,
			  struct azure_handshake *handshake);
int32_t azure_receive(int32_t socket, uint8_t *buffer, uint32_t length);
/* 1 if azure_receive() has data or the end of the stream to give, 0 if it has not; never blocks. */
int32_t azure_readable(int32_t socket);
int32_t azure_send(int32_t socket, const uint8_t *data, uint32_t length);
void azure_close(int32_t socket);
/* Bits of azure_wait's result. */
#define AZURE_WAIT_READABLE 1
#define AZURE_WAIT_WOKEN    2
#define AZURE_NO_SOCKET     (-1)
/* Waits for a socket (or AZURE_NO_SOCKET) to be readable, for azure_wake(), or for the time to pass. */
int32_t azure_wait(int32_t socket, uint32_t timeout_ms);
/* Ends azure_wait() in another thread, also from an interrupt. */
void azure_wake(void);
int32_t azure_wait_init(void);

/* diagnosis.c */
/* Notes the next handshakes here; NULL ends it. */
void azure_handshake_watch(struct azure_handshake *handshake);
/*
 * A thread's turn at handshakes, and at the credentials that they look at, with CONFIG_AZURE_UPDATE_HTTPS. False if
 * another thread had it for all that time.
 */
bool azure_handshake_begin(uint32_t timeout_ms);
void azure_handshake_end(void);
/* Gives why TLS could not go on reading the connection, once; kind 0 if it could. */
void azure_tls_broken(struct azure_handshake *reason);
/* A TLS_CERT_VERIFY_CALLBACK that notes, and leaves the decision to mbedTLS. */
struct mbedtls_x509_crt;
int azure_certificate_seen(void *context, struct mbedtls_x509_crt *certificate, int depth, uint32_t *flags);

/* credentials.c */
enum azure_credential {
	AZURE_CREDENTIAL_ROOT = 1,
	AZURE_CREDENTIAL_CERTIFICATE = 2,
	AZURE_CREDENTIAL_KEY = 3,
};

/* Registers a credential in DER; it is not copied and must stay. Gives 0, mbedTLS's error (negative), or the next. */
#define AZURE_CREDENTIAL_NO_ROOM 1
int32_t azure_credential_add(int32_t tag, uint32_t kind, const uint8_t *der, uint32_t length);
/* Forgets all credentials of a tag. */
void azure_credential_remove(int32_t tag);
/* Whether mbedTLS understands it: 0, or mbedTLS's error. */
int32_t azure_check_certificate(const uint8_t *der, uint32_t length);
int32_t azure_check_key(const uint8_t *der, uint32_t length);
/* Whether the key belongs to the certificate: 0, or mbedTLS's error. */
int32_t azure_check_pair(const uint8_t *certificate, uint32_t certificate_length, const uint8_t *key,
			 uint32_t key_length);

/* network.c */
/* Starts DHCP or Wi-Fi; `changed` is called, in another thread, when an address comes. */
void azure_network_start(void);
/* Whether there is an address; writes it as text, at most `length` bytes with the terminating zero. Of IPv4 and IPv6
 * each has one, separated by a comma. */
bool azure_network_address(char *text, uint32_t length);
/* Whether there is an address of this family, or may be. */
bool azure_network_has(bool ipv6);
/* Takes a PPP link down and up again: the peer is asked anew. Comes back at once. */
void azure_network_renew(void);

/* wifi.c */
/* Joins a network, and joins it again when it is lost. The texts are copied. */
int32_t azure_wifi_join(const uint8_t *ssid, uint32_t ssid_length, const uint8_t *password,
			uint32_t password_length);

/* settings.c: keys begin with "azure/" */
int32_t azure_settings_init(void);
int32_t azure_settings_load(const char *key, uint8_t *buffer, uint32_t length);
/* Length of a value, 0 if there is none. */
int32_t azure_settings_length(const char *key);
int32_t azure_settings_save(const char *key, const uint8_t *value, uint32_t length);
int32_t azure_settings_delete(const char *key);

/* queue.c: offsets count from the start of the partition azure_queue_partition */
struct azure_queue_flash {
	uint32_t size;   /* of the partition, in bytes */
	uint32_t page;   /* the unit of erasing, in bytes */
	uint32_t word;   /* the unit of writing, in bytes */
	uint32_t erased; /* the value of an erased byte */
};
int32_t azure_queue_open(struct azure_queue_flash *flash);
int32_t azure_queue_read(uint32_t offset, uint8_t *buffer, uint32_t length);
int32_t azure_queue_write(uint32_t offset, const uint8_t *data, uint32_t length);
int32_t azure_queue_erase(uint32_t offset, uint32_t length);

/* update.c: offsets count from the place in slot 1 where MCUboot looks for an image */
struct azure_slot {
	uint32_t capacity; /* bytes that an image may have */
	uint32_t word;     /* the unit of writing, in bytes */
};
int32_t azure_slot_open(struct azure_slot *found);
/* Start and length of the page at an offset. */
int32_t azure_slot_page(uint32_t offset, uint32_t *start, uint32_t *length);
int32_t azure_slot_read(uint32_t offset, uint8_t *buffer, uint32_t length);
int32_t azure_slot_write(uint32_t offset, const uint8_t *data, uint32_t length);
/* Erases a page. The first one ends a request to start what was in the slot. */
int32_t azure_slot_erase(uint32_t start, uint32_t length);
/* Has MCUboot start the image in the slot at the next restart, on trial. */
int32_t azure_update_request_trial(void);
/* Whether MCUboot goes back to the image before at the next restart. */
bool azure_update_on_trial(void);
int32_t azure_update_confirm(void);
/* Version in an image's header. */
struct azure_image_version {
	uint32_t major;
	uint32_t minor;
	uint32_t revision;
	uint32_t build;
};
/* Version of the image that runs, or of that in the slot. -AZURE_NOT_FOUND: there is no image. */
int32_t azure_update_version(bool running, struct azure_image_version *version);
/* Whether the download's thread calls this, and its connections may have TLS. */
#if defined(CONFIG_AZURE_UPDATE_HTTPS)
bool azure_in_download(void);
#else
#define azure_in_download() false
#endif
/* Has the download's thread call azure_rust_update_fetch(). */
void azure_update_start(void);
/* Sleeps in the download's thread, until azure_update_wake() at most. */
void azure_update_sleep(uint32_t milliseconds);
void azure_update_wake(void);
/* Size of the thread's stack, and how much of it was never touched; 0 if unknown. */
void azure_update_stack(uint32_t *size, uint32_t *unused);
/*
 * Verifies RSASSA-PKCS1-v1_5 with SHA-256: a key as SubjectPublicKeyInfo, a hash of 32 bytes. Gives 0 or mbedTLS's error.
 */
int32_t azure_rsa_verify(const uint8_t *key, uint32_t key_length, const uint8_t *hash, const uint8_t *signature,
			 uint32_t signature_length);

/* platform.c */
int32_t azure_random(uint8_t *buffer, uint32_t length);
/* Which LED, by meaning. */
enum azure_led {
	AZURE_LED_STARTING = 0,
	AZURE_LED_SENDING = 1,
	AZURE_LED_FAILED = 2,
};
void azure_led_set(uint32_t led, bool on);
/* Called by the device's thread. */
void azure_board_init(void);
void azure_watchdog_start(void);
void azure_watchdog_feed(void);
/* Why the processor started, as a list of words, or "unknown". For one call: it clears the cause. */
const char *azure_reset_cause(void);
/* The id that the processor's maker gave it; gives how many bytes were written. */
int32_t azure_hardware_id(uint8_t *id, uint32_t length);
/* Restarts the processor, after the log is out. */
void azure_restart(void);
/* fault.c */
/* The fault that ended the last run, in words and addresses, or "". For one call: it forgets the fault. */
const char *azure_last_fault(void);

/* platform.c */
const char *azure_zephyr_version(void);
const char *azure_application_version(void);

struct azure_memory {
	uint32_t heap_size;    /* all heaps together, 0 if unknown */
	uint32_t heap_used;
	uint32_t heap_peak;    /* sum of the heaps' own peaks */
	uint32_t stack_size;   /* of the device's thread, 0 if unknown */
	uint32_t stack_unused; /* never touched so far */
};
void azure_memory(struct azure_memory *memory);
/* Starts to count heap_peak again. */
void azure_memory_reset_peak(void);

/* sensors.c */
/* Name of a reading, and what its value is multiplied with and divided by to be in the unit that is sent. */
struct azure_scale {
	const char *name;
	int32_t multiplier;
	int32_t divisor;
};
/* A value in the unit of its sensor's channel: an integer and millionths, both of the value's sign. */
struct azure_reading {
	int32_t integer;
	int32_t millionths;
};
/* Number of readings of this board; 0 if its devicetree names none. */
uint32_t azure_readings_count(void);
const struct azure_scale *azure_reading_scale(uint32_t index);
/* Measures, index by index from 0 on. Gives 0 or a negative errno. */
int32_t azure_reading_measure(uint32_t index, struct azure_reading *reading);

/* shell.c: called by Rust */
struct shell;
void azure_shell_print(const struct shell *shell, const char *line);
/*
 * Takes what was typed, without echo, in a command; waits for it if there is nothing. Gives the number of bytes. What is
 * typed during a command stays for it: the shell reads nothing before the command is over.
 */
uint32_t azure_shell_read(const struct shell *shell, uint8_t *buffer, uint32_t length, uint32_t timeout_ms);

/* c_api.c */
/* Errors of the C API, whose errno differs between C libraries. */
enum azure_errno_kind {
	AZURE_ERRNO_INVALID = 0,
	AZURE_ERRNO_AGAIN = 1,
	AZURE_ERRNO_ALREADY = 2,
	AZURE_ERRNO_CANCELED = 3,
	AZURE_ERRNO_NO_ROOM = 4,
	AZURE_ERRNO_NOT_FOUND = 5,
	AZURE_ERRNO_TOO_LONG = 6,
};
/* errno of an enum azure_errno_kind. */
int32_t azure_errno_of(uint32_t kind);
/* Starts a thread that calls azure_rust_thread(). Once. */
void azure_thread_start(void);

/* Provided by Rust. */
#if defined(CONFIG_AZURE_IOT_DEVICE_C_API)
/* The device's thread, for an application in C. */
void azure_rust_thread(void);
#endif
#if defined(CONFIG_AZURE_SHELL)
/* A command: argv[0] is its name, after "azure" and "azure set". */
int32_t azure_rust_command(const struct shell *shell, bool set, uint32_t argc, char **argv);
#endif
#if defined(CONFIG_AZURE_UPDATE)
/* Downloads, in the download's thread. */
void azure_rust_update_fetch(void);
#endif
void azure_rust_button_pressed(void);
void azure_rust_network_changed(void);
/* Command line of a simulator, NULL where an option is absent; the texts stay. */
struct azure_arguments {
	const char *connection_string;
	const char *address;
	const char *port;
	const char *sntp_servers;
};
void azure_arguments(struct azure_arguments *arguments);

#endif /* AZURE_SHIM_H_ */
