/* SPDX-License-Identifier: Apache-2.0 */
/* Software updates: the slot of the new image, MCUboot's state, the download's thread, and RSA. */
#include <stdio.h>

#include <mbedtls/pk.h>
#include <zephyr/dfu/mcuboot.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/kernel.h>
#include <zephyr/storage/flash_map.h>

#include "azure_shim.h"

#define SLOT FIXED_PARTITION_ID(slot1_partition)

static const struct flash_area *slot;
/* Where MCUboot looks for an image: with swap using offset, behind the first page. */
static uint32_t image_start;

static int page_at(uint32_t offset, struct flash_pages_info *page)
{
	return flash_get_page_info_by_offs(flash_area_get_device(slot), slot->fa_off + image_start + offset, page);
}

int32_t azure_slot_open(struct azure_slot *found)
{
	struct flash_pages_info page;
	ssize_t trailer;
	int result = slot == NULL ? flash_area_open(SLOT, &slot) : 0;

	if (result != 0) {
		return azure_error_of(-result);
	}
	/* An image on trial has not been swapped back: what is in the slot lies at its start. */
	image_start = boot_get_image_start_offset(SLOT);
	trailer = boot_get_area_trailer_status_offset(SLOT);
	result = page_at(0, &page);
	if (trailer < 0 || result != 0) {
		return azure_error_of(trailer < 0 ? -trailer : -result);
	}
#if !defined(CONFIG_MCUBOOT_BOOTLOADER_MODE_SWAP_SCRATCH)
	/* The trailer has pages of its own there (app_max_size() of MCUboot's swap_move.c and swap_offset.c). */
	trailer = ROUND_DOWN(trailer, page.size);
#endif
	found->capacity = trailer - image_start;
#if defined(CONFIG_MCUBOOT_BOOTLOADER_MODE_SWAP_USING_MOVE)
	/* The running image moves up by a page, and the new one has to fit where that was. */
	found->capacity -= page.size;
#endif
	found->word = flash_area_align(slot);
	return 0;
}

int32_t azure_slot_page(uint32_t offset, uint32_t *start, uint32_t *length)
{
	struct flash_pages_info page;
	int result = page_at(offset, &page);

	if (result != 0) {
		return azure_error_of(-result);
	}
	*start = page.start_offset - slot->fa_off - image_start;
	*length = page.size;
	return 0;
}

int32_t azure_slot_read(uint32_t offset, uint8_t *buffer, uint32_t length)
{
	return azure_error_of(-flash_area_read(slot, image_start + offset, buffer, length));
}

int32_t azure_slot_write(uint32_t offset, const uint8_t *data, uint32_t length)
{
	return azure_error_of(-flash_area_write(slot, image_start + offset, data, length));
}

int32_t azure_slot_erase(uint32_t start, uint32_t length)
{
	if (start == 0) {
		/* MCUboot's request is at the end of the slot. */
		struct flash_pages_info last;
		int result = flash_get_page_info_by_offs(flash_area_get_device(slot),
							 slot->fa_off + slot->fa_size - 1, &last);

		if (result == 0) {
			result = flash_area_erase(slot, last.start_offset - slot->fa_off, last.size);
		}
		if (result != 0) {
			return azure_error_of(-result);
		}
	}
	return azure_error_of(-flash_area_erase(slot, image_start + start, length));
}

int32_t azure_update_request_trial(void)
{
	return boot_request_upgrade(BOOT_UPGRADE_TEST) == 0 ? 0 : -AZURE_OTHER;
}

bool azure_update_on_trial(void)
{
	return !boot_is_img_confirmed();
}

int32_t azure_update_confirm(void)
{
	return boot_write_img_confirmed() == 0 ? 0 : -AZURE_OTHER;
}

int32_t azure_update_version(bool running, struct azure_image_version *version)
{
	struct mcuboot_img_header header;
	const struct mcuboot_img_sem_ver *found = &header.h.v1.sem_ver;

	if (boot_read_bank_header(running ? boot_fetch_active_slot() : SLOT, &header, sizeof(header)) != 0) {
		return -AZURE_NOT_FOUND;
	}
	*version = (struct azure_image_version){found->major, found->minor, found->revision, found->build_num};
	return 0;
}

static K_SEM_DEFINE(wanted, 0, 1);
static K_SEM_DEFINE(noticed, 0, 1);

static void fetch(void *p1, void *p2, void *p3)
{
	ARG_UNUSED(p1);
	ARG_UNUSED(p2);
	ARG_UNUSED(p3);
	while (true) {
		(void)k_sem_take(&wanted, K_FOREVER);
		azure_rust_update_fetch();
	}
}

K_THREAD_DEFINE(update_thread, CONFIG_AZURE_UPDATE_STACK_SIZE, fetch, NULL, NULL, NULL,
		CONFIG_AZURE_UPDATE_THREAD_PRIORITY, 0, 0);

#if defined(CONFIG_AZURE_UPDATE_HTTPS)
bool azure_in_download(void)
{
	return k_current_get() == update_thread;
}
#endif

void azure_update_start(void)
{
	k_sem_give(&wanted);
}

void azure_update_sleep(uint32_t milliseconds)
{
	(void)k_sem_take(&noticed, K_MSEC(milliseconds));
}

void azure_update_wake(void)
{
	k_sem_give(&noticed);
}

void azure_update_stack(uint32_t *size, uint32_t *unused)
{
	*size = 0;
	*unused = 0;
#if defined(CONFIG_INIT_STACKS) && defined(CONFIG_THREAD_STACK_INFO)
	size_t count;

	if (k_thread_stack_space_get(update_thread, &count) == 0) {
		*size = update_thread->stack_info.size;
		*unused = count;
	}
#endif
}

int32_t azure_rsa_verify(const uint8_t *key, uint32_t key_length, const uint8_t *hash, const uint8_t *signature,
			 uint32_t signature_length)
{
	mbedtls_pk_context context;
	int result;

	mbedtls_pk_init(&context);
	result = mbedtls_pk_parse_public_key(&context, key, key_length);
	if (result == 0) {
		result = mbedtls_pk_verify(&context, MBEDTLS_MD_SHA256, hash, 32, signature, signature_length);
	}
	mbedtls_pk_free(&context);
	return result;
}
