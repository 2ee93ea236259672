/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/shell/shell.h>
#include <zephyr/shell/shell_uart.h>

#include "azure_shim.h"

LOG_MODULE_REGISTER(azure, CONFIG_AZURE_LOG_LEVEL);

#if defined(CONFIG_LOG_MODE_MINIMAL)

/*
 * Zephyr's minimal logging has no timestamps and writes into the line that is being typed. These lines look as
 * Zephyr's logging prints them, and go through the shell, which puts its prompt behind them.
 */
#define LINE(level, line) "[%02u:%02u:%02u.%03u] <%s> azure: %s\n", hours, minutes, seconds, milliseconds, level, line

void azure_log(uint32_t level, const char *line)
{
	static const char *const names[] = {"", "err", "wrn", "inf", "dbg"};
	const char *name = names[MIN(level, ARRAY_SIZE(names) - 1)];
	const uint64_t uptime = k_uptime_get();
	const uint32_t milliseconds = uptime % MSEC_PER_SEC;
	const uint32_t total = uptime / MSEC_PER_SEC;
	const uint32_t seconds = total % 60, minutes = total / 60 % 60, hours = total / 3600;

#if defined(CONFIG_AZURE_SHELL) && defined(CONFIG_SHELL_BACKEND_SERIAL)
	const struct shell *shell = shell_backend_uart_get_ptr();

	/* The shell's own thread cannot wait for itself. */
	if (shell->ctx->state == SHELL_STATE_ACTIVE && shell->ctx->tid != k_current_get()) {
		shell_fprintf_normal(shell, LINE(name, line));
		return;
	}
#endif
	printk(LINE(name, line));
}

#else

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

#endif

void azure_log_format(uint32_t level, const char *format, ...)
{
	char line[96];
	va_list arguments;

	if (level > CONFIG_AZURE_LOG_LEVEL) {
		return;
	}
	va_start(arguments, format);
	vsnprintk(line, sizeof(line), format, arguments);
	va_end(arguments);
	azure_log(level, line);
}
