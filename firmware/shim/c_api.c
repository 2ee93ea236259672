/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <zephyr/kernel.h>

#include "azure_iot_hub.h"
#include "azure_shim.h"

static K_THREAD_STACK_DEFINE(device_stack, CONFIG_AZURE_STACK_SIZE);
static struct k_thread device_thread;

static void run_device(void *first, void *second, void *third)
{
	ARG_UNUSED(first);
	ARG_UNUSED(second);
	ARG_UNUSED(third);
	azure_rust_thread();
}

void azure_thread_start(void)
{
	(void)k_thread_create(&device_thread, device_stack, K_THREAD_STACK_SIZEOF(device_stack), run_device, NULL, NULL,
			      NULL, CONFIG_AZURE_C_API_THREAD_PRIORITY, 0, K_NO_WAIT);
	(void)k_thread_name_set(&device_thread, "azure");
}

int32_t azure_errno_of(uint32_t kind)
{
	switch (kind) {
	case AZURE_ERRNO_AGAIN:
		return EAGAIN;
	case AZURE_ERRNO_ALREADY:
		return EALREADY;
	case AZURE_ERRNO_CANCELED:
		return ECANCELED;
	case AZURE_ERRNO_NO_ROOM:
		return ENOBUFS;
	case AZURE_ERRNO_NOT_FOUND:
		return ENOENT;
	case AZURE_ERRNO_TOO_LONG:
		return EMSGSIZE;
	default:
		return EINVAL;
	}
}
