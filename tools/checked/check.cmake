# reprise_check(TARGET)
#
# Compiles the C and C++ sources of TARGET (an executable, or a library that one links) in the checked flavour:
# the compiler's instrumentation of -fsanitize=thread, with Reprise's own hooks in place of ThreadSanitizer's
# library. Under a policy each access to shared memory is a scheduling point, and races are reported
# (tools/checked/README.md). GCC and clang. Everything that the program's goroutines share should be compiled
# so; Reprise itself is not.
function(reprise_check target)
  if(ARGN)
    message(FATAL_ERROR "reprise_check(${target}): one target")
  endif()
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-fsanitize=thread -fno-omit-frame-pointer>)
  # Clang calls the interceptors by itself; GCC warns of fences, which its own library does not know.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C,CXX>:-Wno-tsan>
      $<$<COMPILE_LANGUAGE:C,CXX>:-include$<SEMICOLON>${REPRISE_CHECKED_INTERCEPTORS}>)
  endif()
  target_compile_definitions(${target} PRIVATE REPRISE_CHECKED=1)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_link_libraries(${target} PRIVATE reprise::reprise_race)
  else()
    target_link_libraries(${target} PUBLIC reprise::reprise_race)
  endif()
endfunction()
