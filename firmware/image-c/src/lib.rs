//! The device for an application in C: `include/azure_iot_hub.h` is its interface.

#![no_std]

use azure_device_zephyr as _;
