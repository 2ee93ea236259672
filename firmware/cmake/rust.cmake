# SPDX-License-Identifier: Apache-2.0
#
# What zephyr-lang-rust's rust_cargo_application() does besides for an application over this module.

# Log lines of levels that are off stay out of the image, by a feature of firmware/Cargo.toml.
set(azure_log_features log-off log-error log-warn log-info log-debug)
list(GET azure_log_features ${CONFIG_AZURE_LOG_LEVEL} azure_log_feature)
if(CONFIG_AZURE_LOG_TRACE)
  set(azure_log_feature log-trace)
endif()
set(azure_features azure-device-zephyr/${azure_log_feature})
if(CONFIG_AZURE_QUEUE)
  string(APPEND azure_features ",azure-device-zephyr/queue")
endif()
if(CONFIG_AZURE_UPDATE)
  string(APPEND azure_features ",azure-device-zephyr/update")
  # The ready-made application reports them too.
  if(EXISTS ${APPLICATION_SOURCE_DIR}/firmware/image)
    string(APPEND azure_features ",azure-device-app/update")
  endif()
endif()
set(AZURE_RUST_FEATURES ${azure_features} CACHE INTERNAL "")
set(AZURE_RUST_DOTCONFIG ${DOTCONFIG} CACHE INTERNAL "")

if(CONFIG_CPU_AARCH32_CORTEX_A)
  include(${CMAKE_CURRENT_LIST_DIR}/cortex_a.cmake)
endif()

# Replaces the module's function of this name, which has no argument for features: they are put behind Cargo's command
# where it is called.
function(add_cargo_target_with_zephyr_env target)
  set(arguments ${ARGN})
  list(FIND arguments CARGO_ARGS position)
  math(EXPR command "${position} + 1")
  math(EXPR position "${position} + 2")
  set(features --features ${AZURE_RUST_FEATURES})
  if(target STREQUAL librustapp)
    # LLVM takes a call for smaller than most bodies when it optimizes for size. With a limit above its own 5, more small
    # functions are inlined, and what then turns out constant is left out: 1 KB of flash less. Link-time optimization is
    # the last crate's, so that only it needs the argument.
    list(REMOVE_AT arguments ${command})
    list(INSERT arguments ${command} rustc)
    list(APPEND features -- -Cllvm-args=-inline-threshold=35)
  endif()
  list(INSERT arguments ${position} ${features})
  set(DOTCONFIG ${AZURE_RUST_DOTCONFIG})
  # The zephyr crate's GPIO types do not compile for controllers without flags in their cells (mps2), and
  # the device does not use them: GPIO goes through the shim.
  set(DT_AUGMENTS "")
  # GCC's own headers are among those that bindgen gives to clang, which cannot read this one of them (CMSIS includes
  # it). The macro is the header's guard: it counts as read already, and clang has its functions built in.
  if(CONFIG_ARM AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND include_defines _GCC_ARM_ACLE_H)
  endif()
  _add_cargo_target_with_zephyr_env(${target} ${arguments})
endfunction()
