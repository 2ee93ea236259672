/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of the SPI emulator: a Unix socket, without waiting. */
#ifndef ISM43362_SPI_EMULATOR_H_
#define ISM43362_SPI_EMULATOR_H_

/* Connects; gives a descriptor, or -1. */
int ism43362_host_connect(const char *path);
/* Gives the number of bytes read, 0 if there are none yet, -1 at the end. */
int ism43362_host_read(int descriptor, void *data, unsigned int length);
/* Writes everything; gives 0, or -1. */
int ism43362_host_write(int descriptor, const void *data, unsigned int length);

#endif
