# SPDX-License-Identifier: Apache-2.0
#
# Stops the configure step, with a sentence, where Kconfig cannot rule a combination out by itself.

function(azure_stop)
  string(JOIN " " text ${ARGN})
  message(FATAL_ERROR "${text}")
endfunction()

# Entropy: TLS without it protects nothing.
if(CONFIG_AZURE_TEST_INSECURE_ENTROPY)
  message(STATUS "TEST IMAGE: its random numbers are predictable (CONFIG_AZURE_TEST_INSECURE_ENTROPY)")
elseif(NOT CONFIG_CSPRNG_ENABLED)
  azure_stop("The board ${BOARD} has no entropy source that this image could use: enable its random number"
    "generator in the devicetree (chosen zephyr,entropy) with CONFIG_ENTROPY_GENERATOR=y. For a simulator,"
    "and only there, CONFIG_AZURE_TEST_INSECURE_ENTROPY=y accepts predictable numbers.")
elseif(CONFIG_TEST_RANDOM_GENERATOR OR CONFIG_TEST_CSPRNG_GENERATOR OR CONFIG_ARCH_POSIX)
  azure_stop("The random numbers of this image would be predictable (CONFIG_TEST_RANDOM_GENERATOR, or a"
    "simulator's generator). Remove the option; for a simulator, and only there, set"
    "CONFIG_AZURE_TEST_INSECURE_ENTROPY=y.")
endif()

# TLS has to run in mbedTLS on the MCU, where the hub's certificate is verified by this image's options.
if(CONFIG_NET_SOCKETS_OFFLOAD AND NOT CONFIG_NET_NATIVE_OFFLOADED_SOCKETS)
  azure_stop("CONFIG_NET_SOCKETS_OFFLOAD=y hands TLS to the network module, which ignores the host name and"
    "the request to verify the hub's certificate. Set CONFIG_NET_SOCKETS_OFFLOAD=n.")
endif()
if(CONFIG_WIFI_ESWIFI)
  azure_stop("CONFIG_WIFI_ESWIFI=y is Zephyr's driver for the ISM43362, which stops for good when data goes both ways"
    "(docs/boards.md). Set CONFIG_WIFI=n: this application has a driver of its own.")
endif()
if(NOT CONFIG_NET_SOCKETS_SOCKOPT_TLS OR NOT CONFIG_MBEDTLS_HAVE_TIME_DATE
   OR NOT CONFIG_MBEDTLS_SERVER_NAME_INDICATION OR NOT CONFIG_NET_SOCKETS_TLS_CERT_VERIFY_CALLBACK
   OR NOT CONFIG_MBEDTLS_SSL_PROTO_TLS1_2)
  azure_stop("TLS lacks one of CONFIG_NET_SOCKETS_SOCKOPT_TLS, CONFIG_MBEDTLS_HAVE_TIME_DATE,"
    "CONFIG_MBEDTLS_SERVER_NAME_INDICATION, CONFIG_NET_SOCKETS_TLS_CERT_VERIFY_CALLBACK and"
    "CONFIG_MBEDTLS_SSL_PROTO_TLS1_2, which prj.conf sets. Without them the hub could not be reached, or its"
    "certificate not be verified.")
endif()

# An identity in the image has to be whole.
if(CONFIG_AZURE_DPS_ID_SCOPE)
  if(CONFIG_AZURE_CREDENTIAL_NONE OR CONFIG_AZURE_CREDENTIAL_SAS_TOKEN)
    azure_stop("CONFIG_AZURE_DPS_ID_SCOPE is set, and there is no credential for an enrolment: choose"
      "CONFIG_AZURE_CREDENTIAL_SHARED_ACCESS_KEY=y or CONFIG_AZURE_CREDENTIAL_X509=y, or leave it empty and"
      "enrol the device over the shell (azure set provisioning).")
  endif()
  foreach(symbol AZURE_HUB_HOST_NAME AZURE_DEVICE_ID)
    if(CONFIG_${symbol})
      azure_stop("CONFIG_${symbol} and CONFIG_AZURE_DPS_ID_SCOPE are both set. The provisioning service names"
        "hub and device: keep one of the two.")
    endif()
  endforeach()
elseif(NOT CONFIG_AZURE_CREDENTIAL_NONE)
  foreach(symbol AZURE_HUB_HOST_NAME AZURE_DEVICE_ID)
    if("${CONFIG_${symbol}}" STREQUAL "")
      azure_stop("CONFIG_${symbol} is empty. The image is to carry an identity: set it, set"
        "CONFIG_AZURE_DPS_ID_SCOPE for a device that is provisioned, or choose"
        "CONFIG_AZURE_CREDENTIAL_NONE=y and provision the device over the shell.")
    endif()
  endforeach()
elseif(NOT CONFIG_AZURE_SHELL)
  azure_stop("The device could never get an identity: CONFIG_AZURE_CREDENTIAL_NONE=y puts none into the"
    "image, and CONFIG_AZURE_SHELL=n leaves no way to provision one. Set CONFIG_AZURE_SHELL=y, or choose a"
    "credential.")
endif()

if(CONFIG_AZURE_BACKOFF_MIN_MS)
  math(EXPR azure_backoff_max_ms "${CONFIG_AZURE_BACKOFF_MAX_S} * 1000")
  if(CONFIG_AZURE_BACKOFF_MIN_MS GREATER azure_backoff_max_ms)
    azure_stop("CONFIG_AZURE_BACKOFF_MIN_MS (${CONFIG_AZURE_BACKOFF_MIN_MS} ms) exceeds"
      "CONFIG_AZURE_BACKOFF_MAX_S (${CONFIG_AZURE_BACKOFF_MAX_S} s). Lower the first or raise the second.")
  endif()
endif()

# An image that does not come back from a bad one is worse than one that takes none.
if(CONFIG_AZURE_UPDATE)
  if(NOT CONFIG_MCUBOOT_BOOTLOADER_MODE_SWAP_SCRATCH AND NOT CONFIG_MCUBOOT_BOOTLOADER_MODE_SWAP_USING_MOVE
     AND NOT CONFIG_MCUBOOT_BOOTLOADER_MODE_SWAP_WITHOUT_SCRATCH
     AND NOT CONFIG_MCUBOOT_BOOTLOADER_MODE_SWAP_USING_OFFSET)
    azure_stop("CONFIG_AZURE_UPDATE=y needs a mode of MCUboot that swaps two images, and so goes back to the one before:"
      "SB_CONFIG_MCUBOOT_MODE_SWAP_SCRATCH=y, _SWAP_USING_MOVE=y or _SWAP_USING_OFFSET=y in sysbuild.conf"
      "(docs/updates.md). Overwriting, a single slot, direct execution and loading to RAM are refused.")
  endif()
  if(CONFIG_MCUBOOT_GENERATE_UNSIGNED_IMAGE OR NOT CONFIG_MCUBOOT_SIGNATURE_KEY_FILE)
    azure_stop("CONFIG_AZURE_UPDATE=y and no key signs the image: set SB_CONFIG_BOOT_SIGNATURE_KEY_FILE, and choose a type"
      "of signature (docs/updates.md).")
  endif()
  if(CONFIG_AZURE_TEST_UPDATE_KEYS)
    message(WARNING "TEST IMAGE: it trusts root keys of updates that sign for tests (CONFIG_AZURE_TEST_UPDATE_KEYS)")
  endif()
endif()

if("${CONFIG_AZURE_SNTP_SERVERS}" STREQUAL "")
  azure_stop("CONFIG_AZURE_SNTP_SERVERS is empty. The device needs the time before it can check a"
    "certificate: name at least one server.")
endif()

# Some boards' own configuration sets it, and the default of Kconfig.memory has no effect then.
# An application in C has another thread than the device.
if(NOT CONFIG_AZURE_IOT_DEVICE_C_API AND CONFIG_MAIN_STACK_SIZE LESS CONFIG_AZURE_STACK_SIZE)
  azure_stop("CONFIG_MAIN_STACK_SIZE (${CONFIG_MAIN_STACK_SIZE}) is smaller than CONFIG_AZURE_STACK_SIZE"
    "(${CONFIG_AZURE_STACK_SIZE}), which the device's thread needs. Set CONFIG_MAIN_STACK_SIZE to the same.")
endif()
