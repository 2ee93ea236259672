/* SPDX-License-Identifier: Apache-2.0 */
/* The door contact: a pin that the devicetree alias cold-store-door names. Without one the door is closed. */
#include <stdbool.h>

#include <zephyr/drivers/gpio.h>
#include <zephyr/init.h>

static const struct gpio_dt_spec contact = GPIO_DT_SPEC_GET_OR(DT_ALIAS(cold_store_door), gpios, {0});

bool cold_store_door_is_open(void)
{
	return contact.port != NULL && gpio_pin_get_dt(&contact) > 0;
}

static int configure(void)
{
	return contact.port == NULL ? 0 : gpio_pin_configure_dt(&contact, GPIO_INPUT);
}

SYS_INIT(configure, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);
