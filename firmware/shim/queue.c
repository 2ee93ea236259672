/* SPDX-License-Identifier: Apache-2.0 */
#include <zephyr/devicetree.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/storage/flash_map.h>

#include "azure_shim.h"

#define AZURE_QUEUE_FLASH DT_MTD_FROM_FIXED_PARTITION(DT_NODELABEL(azure_queue_partition))

/* They check each word, and refuse to write one twice. */
#if DT_NODE_HAS_COMPAT(AZURE_QUEUE_FLASH, st_stm32l4_flash_controller) ||                                              \
	DT_NODE_HAS_COMPAT(AZURE_QUEUE_FLASH, st_stm32l5_flash_controller) ||                                          \
	DT_NODE_HAS_COMPAT(AZURE_QUEUE_FLASH, st_stm32g0_flash_controller) ||                                          \
	DT_NODE_HAS_COMPAT(AZURE_QUEUE_FLASH, st_stm32g4_flash_controller) ||                                          \
	DT_NODE_HAS_COMPAT(AZURE_QUEUE_FLASH, st_stm32h7_flash_controller) ||                                          \
	DT_NODE_HAS_COMPAT(AZURE_QUEUE_FLASH, st_stm32wb_flash_controller) ||                                          \
	DT_NODE_HAS_COMPAT(AZURE_QUEUE_FLASH, nxp_kinetis_ftfe) ||                                                     \
	DT_NODE_HAS_COMPAT(AZURE_QUEUE_FLASH, nxp_kinetis_ftfa) ||                                                     \
	DT_NODE_HAS_COMPAT(AZURE_QUEUE_FLASH, nxp_kinetis_ftfl)
#error "azure_queue_partition is in a flash that writes no word twice: put it into an external flash, or set CONFIG_AZURE_QUEUE=n"
#endif

static const struct flash_area *area;

int32_t azure_queue_open(struct azure_queue_flash *flash)
{
	struct flash_pages_info page;
	int result = flash_area_open(FIXED_PARTITION_ID(azure_queue_partition), &area);

	if (result == 0) {
		result = flash_get_page_info_by_offs(flash_area_get_device(area), area->fa_off, &page);
	}
	if (result != 0) {
		return azure_error_of(-result);
	}
	flash->size = area->fa_size;
	flash->page = page.size;
	flash->word = flash_area_align(area);
	flash->erased = flash_area_erased_val(area);
	return 0;
}

int32_t azure_queue_read(uint32_t offset, uint8_t *buffer, uint32_t length)
{
	return azure_error_of(-flash_area_read(area, offset, buffer, length));
}

int32_t azure_queue_write(uint32_t offset, const uint8_t *data, uint32_t length)
{
	return azure_error_of(-flash_area_write(area, offset, data, length));
}

int32_t azure_queue_erase(uint32_t offset, uint32_t length)
{
	return azure_error_of(-flash_area_erase(area, offset, length));
}
