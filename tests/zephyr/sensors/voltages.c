/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the emulated ADC: test_sensors.py expects them in the telemetry. */
#include <zephyr/device.h>
#include <zephyr/drivers/adc/adc_emul.h>
#include <zephyr/init.h>

#define ADC DEVICE_DT_GET(DT_NODELABEL(adc0))

static int put_voltages(void)
{
	/* mV at the pins of "supply" and "cell". */
	int result = adc_emul_const_value_set(ADC, 0, 2500);

	return result == 0 ? adc_emul_const_value_set(ADC, 1, 1250) : result;
}

SYS_INIT(put_voltages, APPLICATION, 0);
