/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ended the last run. A device without a person beside it starts again after a fault or a panic of Rust; what is
 * known of it waits in memory that the start leaves alone, and is told then: on the console and in the twin.
 */
#include <string.h>

#include <zephyr/cache.h>
#include <zephyr/fatal.h>
#include <zephyr/kernel.h>
#include <zephyr/linker/devicetree_regions.h>
#include <zephyr/linker/linker-defs.h>

#include "azure_shim.h"

#define MAGIC 0x61666c74
/* Return addresses are looked for in so much of the stack, and so many are kept. */
#define SEARCHED 1024
#define CALLERS 6

struct fault {
	uint32_t magic;
	uint32_t reason;
	uint32_t pc;
	uint32_t callers[CALLERS];
	uint32_t check;
};

#if DT_HAS_CHOSEN(azure_fault)
/* A boot loader leaves it alone there, and another image finds it: the one before, if a new one faulted on trial. */
static struct fault fault Z_GENERIC_SECTION(LINKER_DT_NODE_REGION_NAME(DT_CHOSEN(azure_fault)));
#else
static __noinit struct fault fault;
#endif

/* Tells what was noted from what the memory holds after it was switched on. */
static uint32_t check_of(const struct fault *noted)
{
	const uint32_t *words = (const uint32_t *)noted;
	uint32_t check = 0;

	for (size_t i = 0; i < offsetof(struct fault, check) / sizeof(*words); i++) {
		check = (check << 5 | check >> 27) ^ words[i];
	}
	return check;
}

#if !defined(CONFIG_ARCH_POSIX)
#if defined(CONFIG_CPU_CORTEX_M)
static bool in_text(uint32_t address)
{
	return address >= (uint32_t)__text_region_start && address < (uint32_t)__text_region_end;
}

/*
 * The last byte of the call, since a call that never returns, such as one of a panic, may be the last one of its function:
 * what follows belongs to another. An instruction of Thumb has two or four bytes, and the address is odd.
 */
static uint32_t call_before(uint32_t return_address)
{
	return return_address - 2;
}

/* Nothing keeps a chain of frames: every word of the stack that can be a return address is one of them, or was. */
static void note_callers(uint32_t lr)
{
	const uint32_t *word = (const uint32_t *)(__get_PSP() + sizeof(struct arch_esf));
	const uint32_t *end = word + SEARCHED / sizeof(*word);
	size_t count = 0;

#if defined(CONFIG_THREAD_STACK_INFO)
	const struct k_thread *thread = k_current_get();
	const uintptr_t start = thread->stack_info.start, top = start + thread->stack_info.size;

	if ((uintptr_t)word < start || (uintptr_t)word > top) {
		end = word;
	} else if ((uintptr_t)end > top) {
		end = (const uint32_t *)top;
	}
#else
	end = word;
#endif
	if (in_text(lr)) {
		fault.callers[count++] = call_before(lr);
	}
	for (; word < end && count < CALLERS; word++) {
		/* Code is Thumb, whose return addresses are odd. */
		if ((*word & 1) != 0 && in_text(*word)) {
			fault.callers[count++] = call_before(*word);
		}
	}
}
#endif

void k_sys_fatal_error_handler(unsigned int reason, const struct arch_esf *frame)
{
	memset(&fault, 0, sizeof(fault));
	fault.magic = MAGIC;
	fault.reason = reason;
#if defined(CONFIG_ARM)
	if (frame != NULL) {
		fault.pc = frame->basic.pc;
#if defined(CONFIG_CPU_CORTEX_M)
		note_callers(frame->basic.lr);
#endif
	}
#else
	ARG_UNUSED(frame);
#endif
	fault.check = check_of(&fault);
	(void)sys_cache_data_flush_range(&fault, sizeof(fault));
	azure_restart();
	CODE_UNREACHABLE;
}
#endif

static const char *name_of(uint32_t reason)
{
	switch (reason) {
	case K_ERR_SPURIOUS_IRQ:
		return "an interrupt that nobody handles";
	case K_ERR_STACK_CHK_FAIL:
		return "a stack overflow";
	case K_ERR_KERNEL_OOPS:
		return "an oops";
	case K_ERR_KERNEL_PANIC:
		return "a panic";
	default:
		return "a fault of the processor";
	}
}

const char *azure_last_fault(void)
{
	static char text[160];
	int length;

	if (fault.magic != MAGIC || fault.check != check_of(&fault)) {
		return "";
	}
	length = snprintk(text, sizeof(text), "%s (%u) at 0x%08x", name_of(fault.reason), fault.reason, fault.pc);
	for (size_t i = 0; i < CALLERS && fault.callers[i] != 0; i++) {
		length += snprintk(text + length, sizeof(text) - length, "%s0x%08x", i == 0 ? " from " : " ",
				   fault.callers[i]);
	}
	/* Told once. */
	fault.magic = 0;
	return text;
}
