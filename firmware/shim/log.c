/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include <zephyr/device.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/shell/shell.h>
#include <zephyr/shell/shell_uart.h>

#include "azure_shim.h"

BUILD_ASSERT(AZURE_LEVEL_ERROR == LOG_LEVEL_ERR && AZURE_LEVEL_WARNING == LOG_LEVEL_WRN &&
		     AZURE_LEVEL_INFO == LOG_LEVEL_INF && AZURE_LEVEL_DEBUG == LOG_LEVEL_DBG,
	     "the levels are Zephyr's");

#if defined(CONFIG_LOG) && !defined(CONFIG_LOG_MODE_MINIMAL)

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

#else

/* The console without printk, which would bring every panic's words and places into the image. */
#if !defined(CONFIG_PRINTK)
static void write_console(const char *text)
{
#if DT_HAS_CHOSEN(zephyr_console) && defined(CONFIG_SERIAL)
	const struct device *console = DEVICE_DT_GET(DT_CHOSEN(zephyr_console));

	for (; *text != '\0'; text++) {
		if (*text == '\n') {
			uart_poll_out(console, '\r');
		}
		uart_poll_out(console, *text);
	}
#else
	ARG_UNUSED(text);
#endif
}
#endif

/*
 * Without Zephyr's logging, or with its minimal one, which has no timestamps and writes into the line that is being
 * typed. These lines look as Zephyr's logging prints them, and go through the shell, which puts its prompt behind
 * them.
 */
void azure_log(uint32_t level, const char *line)
{
	static const char *const names[] = {"", "err", "wrn", "inf", "dbg"};
	const char *name = names[MIN(level, ARRAY_SIZE(names) - 1)];
	const uint64_t uptime = k_uptime_get();
	const uint32_t milliseconds = uptime % MSEC_PER_SEC;
	const uint32_t total = uptime / MSEC_PER_SEC;
	const uint32_t seconds = total % 60, minutes = total / 60 % 60, hours = total / 3600;
	/* Hours have up to ten digits. */
	char start[40];

	snprintk(start, sizeof(start), "[%02u:%02u:%02u.%03u] <%s> azure: ", hours, minutes, seconds, milliseconds,
		 name);
#if defined(CONFIG_AZURE_SHELL) && defined(CONFIG_SHELL_BACKEND_SERIAL)
	const struct shell *shell = shell_backend_uart_get_ptr();

	/* The shell's own thread cannot wait for itself. */
	if (shell->ctx->state == SHELL_STATE_ACTIVE && shell->ctx->tid != k_current_get()) {
		shell_fprintf_normal(shell, "%s%s\n", start, line);
		return;
	}
#endif
#if defined(CONFIG_PRINTK)
	printk("%s%s\n", start, line);
#else
	write_console(start);
	write_console(line);
	write_console("\n");
#endif
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
