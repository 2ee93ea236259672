/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ISM43362 Wi-Fi module: its bus for Rust (crates/ism43362), and Rust's station for Zephyr's sockets. No decisions
 * are made in C. Results are those of azure_shim.h.
 */
#ifndef AZURE_ISM43362_H_
#define AZURE_ISM43362_H_

#include <stdbool.h>
#include <stdint.h>

/* ism43362_spi.c, or ism43362_uart.c */
/* Prepares bus and pins. The module is held in reset. */
int32_t azure_ism43362_init(void);
/* Pulls the reset pin for a tenth of a second, and gives the module half a second to start. */
void azure_ism43362_reset(void);
/*
 * Writes a command and its payload (an empty command: nothing), and reads the answer. Gives the answer's length; what
 * exceeds the capacity is dropped. -AZURE_TIMED_OUT after this time, -AZURE_OTHER if the bus does not work.
 */
int32_t azure_ism43362_exchange(const uint8_t *command, uint32_t command_length, const uint8_t *payload,
				uint32_t payload_length, uint8_t *answer, uint32_t capacity, uint32_t timeout_ms);

/* ism43362_socket.c */
/* Starts the driver's thread. */
void azure_ism43362_start(void);
/* Ends the sleep of the driver's thread. */
void azure_ism43362_wake(void);

/* Provided by Rust; from any thread. */
/* Does what is due, and gives the time until the next thing, in milliseconds. */
uint32_t azure_rust_ism43362_poll(void);
/* Prepares the module; the driver's thread starts it. */
void azure_rust_ism43362_start(void);
/* Writes the address, first byte first, while the module is in its network. */
bool azure_rust_ism43362_address(uint8_t address[4]);
/* Resolves a name; -AZURE_NOT_FOUND if there is no such name. */
int32_t azure_rust_ism43362_resolve(const char *host, uint8_t address[4]);
/* Takes a socket; gives its number, 0 to 3. */
int32_t azure_rust_ism43362_socket(bool stream);
/* Connects it to an IPv4 address, first byte first, and a port. */
int32_t azure_rust_ism43362_connect(uint32_t socket, const uint8_t address[4], uint32_t port);
/* Gives how many bytes were written. */
int32_t azure_rust_ism43362_send(uint32_t socket, const uint8_t *data, uint32_t length);
/* Gives how many bytes were read; -AZURE_AGAIN if there are none yet, -AZURE_CLOSED at the end. */
int32_t azure_rust_ism43362_receive(uint32_t socket, uint8_t *buffer, uint32_t length, bool peek);
bool azure_rust_ism43362_readable(uint32_t socket);
void azure_rust_ism43362_close(uint32_t socket);

#endif /* AZURE_ISM43362_H_ */
