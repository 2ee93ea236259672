/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <zephyr/kernel.h>
#include <zephyr/settings/settings.h>

#include "azure_shim.h"

int32_t azure_settings_init(void)
{
	return azure_error_of(-settings_subsys_init());
}

int32_t azure_settings_load(const char *key, uint8_t *buffer, uint32_t length)
{
	ssize_t count = settings_load_one(key, buffer, length);

	return count >= 0 ? count : azure_error_of(-count);
}

int32_t azure_settings_length(const char *key)
{
	ssize_t length = settings_get_val_len(key);

	if (length == -ENOENT) {
		return 0;
	}
	return length >= 0 ? length : azure_error_of(-length);
}

int32_t azure_settings_save(const char *key, const uint8_t *value, uint32_t length)
{
	return azure_error_of(-settings_save_one(key, value, length));
}

int32_t azure_settings_delete(const char *key)
{
	return azure_error_of(-settings_delete(key));
}
