# reprise_instrument(TARGET COUNTED)
#
# Compiles the C and C++ sources of TARGET (an executable, a library of any kind) in the counted flavour: an
# inline tick at every function entry and loop back edge, by which its goroutines can be preempted at
# any instruction and the run still replays exactly. The same function in the build tree and for whoever
# finds the installed package. GCC and clang of the major versions that the plugins were built with.
#
# What is linked is checked after every build: a cycle without a tick fails it (check_ticks.py says which).
# With link-time optimisation by clang everything that is optimised together must be counted.
function(reprise_instrument target flavour)
  if(NOT flavour STREQUAL "COUNTED" OR ARGN)
    message(FATAL_ERROR "reprise_instrument(${target}): COUNTED is the one flavour that there is")
  endif()
  string(REGEX MATCH "^[0-9]+" major "${CMAKE_CXX_COMPILER_VERSION}")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(plugin "${REPRISE_GCC_PLUGIN}")
    set(wanted "${REPRISE_GCC_PLUGIN_FOR}")
    set(flag -fplugin=)
  else()
    set(plugin "${REPRISE_CLANG_PASS}")
    set(wanted "${REPRISE_CLANG_PASS_FOR}")
    set(flag -fpass-plugin=)
  endif()
  if(NOT major STREQUAL wanted)
    message(FATAL_ERROR "reprise_instrument(${target}): there is no plugin for ${CMAKE_CXX_COMPILER_ID} ${major} "
      "(GCC: '${REPRISE_GCC_PLUGIN_FOR}', clang: '${REPRISE_CLANG_PASS_FOR}')")
  endif()
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:C,CXX>:${flag}${plugin}>)
  target_compile_definitions(${target} PRIVATE REPRISE_COUNTED=1)
  get_target_property(sources ${target} SOURCES)
  set_property(SOURCE ${sources} APPEND PROPERTY OBJECT_DEPENDS ${plugin})
  reprise_link_counted(${target})
endfunction()

# What goes into the linked module, and the check of it.
function(reprise_link_counted target)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_link_libraries(${target} PRIVATE reprise::reprise_counted_executable)
  elseif(type MATCHES "SHARED_LIBRARY|MODULE_LIBRARY")
    target_link_libraries(${target} PRIVATE reprise::reprise_counted_library)
  else()  # whatever it is linked into has counted code
    set(head $<TARGET_PROPERTY:TYPE>)
    target_link_libraries(${target} INTERFACE
      $<$<STREQUAL:${head},EXECUTABLE>:reprise::reprise_counted_executable>
      $<$<STREQUAL:${head},SHARED_LIBRARY>:reprise::reprise_counted_library>
      $<$<STREQUAL:${head},MODULE_LIBRARY>:reprise::reprise_counted_library>)
    return()
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # link-time optimisation compiles
    target_link_options(${target} PRIVATE -fplugin=${REPRISE_GCC_PLUGIN})
  endif()
  add_custom_command(TARGET ${target} POST_BUILD VERBATIM
    COMMAND Python3::Interpreter -B ${REPRISE_CHECK_TICKS} $<TARGET_FILE:${target}>)
endfunction()
