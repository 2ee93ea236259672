# SPDX-License-Identifier: Apache-2.0
#
# Rust on 32-bit Cortex-A, which zephyr-lang-rust does not know. Kconfig.platform declares it supported.

# Replaces the module's function of this name: it ends the configure step for this architecture.
function(_rust_map_target)
  if(CONFIG_FP_HARDABI)
    set(RUST_TARGET "armv7a-none-eabihf" PARENT_SCOPE)
  else()
    set(RUST_TARGET "armv7a-none-eabi" PARENT_SCOPE)
  endif()
endfunction()

# The zephyr crate does not compile where the timer's frequency is known at run time only. It converts times
# by CONFIG_SYS_CLOCK_TICKS_PER_SEC, which is fixed all the same: the timer driver turns its cycles into these
# ticks in C. So Rust gets Kconfig's values without this one.
if(CONFIG_TIMER_READS_ITS_FREQUENCY_AT_RUNTIME)
  file(READ ${DOTCONFIG} azure_dotconfig)
  string(REPLACE "CONFIG_TIMER_READS_ITS_FREQUENCY_AT_RUNTIME=y\n" "" azure_dotconfig "${azure_dotconfig}")
  set(azure_rust_dotconfig ${PROJECT_BINARY_DIR}/rust.config)
  file(WRITE ${azure_rust_dotconfig}.new "${azure_dotconfig}")
  configure_file(${azure_rust_dotconfig}.new ${azure_rust_dotconfig} COPYONLY)
  set(AZURE_RUST_DOTCONFIG ${azure_rust_dotconfig} CACHE INTERNAL "")
endif()

# Rust's objects have a note about their stack that Zephyr's linker script for this architecture does not name.
zephyr_linker_sources(SECTIONS linker/discard.ld)
