/* SPDX-License-Identifier: Apache-2.0 */
/* Command line of the simulator. */
#include <nsi_cmdline_main_if.h>
#include <posix_native_task.h>
#include <zephyr/kernel.h>

#include "azure_shim.h"
#include "cmdline.h"

static struct azure_arguments given;

static void add_options(void)
{
	static struct args_struct_t options[] = {
		{.option = "connection-string", .name = "string", .type = 's',
		 .dest = (void *)&given.connection_string,
		 .descript = "Identity, instead of a provisioned one"},
		{.option = "address", .name = "address", .type = 's', .dest = (void *)&given.address,
		 .descript = "Where to connect to instead of the hub's host name"},
		{.option = "port", .name = "port", .type = 's', .dest = (void *)&given.port,
		 .descript = "TCP port of the hub"},
		{.option = "sntp", .name = "servers", .type = 's', .dest = (void *)&given.sntp_servers,
		 .descript = "Time servers: name[:port], separated by ;"},
		ARG_TABLE_ENDMARKER,
	};

	native_add_command_line_opts(options);
}

NATIVE_TASK(add_options, PRE_BOOT_1, 10);

void azure_arguments(struct azure_arguments *arguments)
{
	*arguments = given;
}
