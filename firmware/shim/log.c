/* SPDX-License-Identifier: Apache-2.0 */
#include <zephyr/logging/log.h>

#include "azure_shim.h"

LOG_MODULE_REGISTER(azure, CONFIG_AZURE_LOG_LEVEL);

void azure_log(uint32_t level, const char *line)
{
	switch (level) {
	case LOG_LEVEL_ERR:
		LOG_ERR("%s", line);
		break;
	case LOG_LEVEL_WRN:
		LOG_WRN("%s", line);
		break;
	case LOG_LEVEL_INF:
		LOG_INF("%s", line);
		break;
	default:
		LOG_DBG("%s", line);
		break;
	}
}
