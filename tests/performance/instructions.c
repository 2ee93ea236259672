/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin for QEMU's TCG that counts executed instructions by the address of the code.
 *
 * QEMU translates code block by block. Each translated block has one entry in a file that is mapped into memory: its
 * address, its number of instructions, and how often it ran. So another program reads the counts at any time, while
 * the guest runs. A block that an exception ends early counts as a whole; blocks are a few instructions long.
 *
 *     qemu-system-arm ... -plugin instructions.so,counts=FILE
 *
 * QEMU's plugin interface ("QEMU TCG Plugins") is declared here as far as it is used, so that no header of QEMU's is
 * needed. Version 2 of the interface, QEMU 9.0, is the oldest that has it in this form.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;

enum qemu_plugin_cb_flags {
	QEMU_PLUGIN_CB_NO_REGS,
};

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*executed)(unsigned int, void *),
					  enum qemu_plugin_cb_flags flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);

__attribute__((visibility("default"))) int qemu_plugin_version = 2;

struct entry {
	uint32_t address;
	uint32_t instructions;
	uint64_t executed;
};

/* Blocks that can be translated in a run. QEMU translates again what it threw away. The file is sparse. */
#define ENTRIES 4000000

static struct entry *entries;
static size_t used;

/* The machine has one processor, so that one thread at a time is here. */
static void executed(unsigned int processor, void *data)
{
	(void)processor;
	((struct entry *)data)->executed++;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
	struct entry *entry = &entries[used];

	(void)id;
	if (used + 1 >= ENTRIES) {
		fprintf(stderr, "instructions: more than %d blocks; the rest is not counted\n", ENTRIES);
		return;
	}
	used++;
	entry->address = (uint32_t)qemu_plugin_tb_vaddr(block);
	entry->instructions = (uint32_t)qemu_plugin_tb_n_insns(block);
	qemu_plugin_register_vcpu_tb_exec_cb(block, executed, QEMU_PLUGIN_CB_NO_REGS, entry);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count,
								char **arguments)
{
	static const char prefix[] = "counts=";
	const size_t size = ENTRIES * sizeof(struct entry);
	int file;

	(void)info;
	if (count != 1 || strncmp(arguments[0], prefix, sizeof(prefix) - 1) != 0) {
		fprintf(stderr, "instructions: the plugin takes one argument, counts=FILE\n");
		return -1;
	}
	file = open(arguments[0] + sizeof(prefix) - 1, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || ftruncate(file, (off_t)size) != 0) {
		perror(arguments[0]);
		return -1;
	}
	entries = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (entries == MAP_FAILED) {
		perror(arguments[0]);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
