# SPDX-License-Identifier: Apache-2.0
#
# Turns the credentials that Kconfig names into files in the build directory that the Rust crate includes:
# certificates and the key as DER, the identity as a connection string. They lie beside Kconfig's values, where
# firmware/build.rs looks for them. Runs at every configure step.

set(azure_embed ${CMAKE_CURRENT_SOURCE_DIR}/scripts/embed.py)

execute_process(
  COMMAND ${PYTHON_EXECUTABLE} ${azure_embed}
    --config ${DOTCONFIG}
    --base ${APPLICATION_SOURCE_DIR}
    --out ${PROJECT_BINARY_DIR}/azure-credentials
  OUTPUT_VARIABLE azure_inputs
  ERROR_VARIABLE azure_error
  RESULT_VARIABLE azure_result
  OUTPUT_STRIP_TRAILING_WHITESPACE
  ERROR_STRIP_TRAILING_WHITESPACE
)
if(NOT azure_result EQUAL 0)
  message(FATAL_ERROR "${azure_error}")
endif()

# A changed key file is a changed configuration.
string(REPLACE "\n" ";" azure_inputs "${azure_inputs}")
set_property(DIRECTORY ${APPLICATION_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${azure_embed} ${azure_inputs})
