/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of this application share. */
#ifndef APPLICATION_H_
#define APPLICATION_H_

#include <azure_iot_hub.h>

/* The name of a negative errno, whose number differs between C libraries. */
const char *name_of(int result);

/* Tries starts that must fail, starts from two threads at once, and starts this application. */
void start_in_every_way(const struct azure_iot_hub_application *application);

/* Writes the results of start_in_every_way() as JSON. */
int write_starts(char *buffer, size_t size, void *user_data);

/* The methods by which a test steers the application. */
extern const struct azure_iot_hub_method methods[];
extern const size_t method_count;

/* State that the methods tell or change. */
extern uint32_t kept_number;
extern uint32_t events_seen[8];
extern char last_failure[160];
extern struct azure_iot_hub_status status;
extern uint64_t letter_token;
extern uint32_t letters, letters_again;

/* Has main() stop the device, and start it again after so many milliseconds. */
void cycle(uint32_t milliseconds);

#endif /* APPLICATION_H_ */
