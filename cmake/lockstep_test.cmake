# Tests live beside the code as x_test.cpp and are found by ctest; a test binary is one folder's tests.

if(LOCKSTEP_TESTS)
    enable_testing()
    find_package(GTest REQUIRED)
    include(GoogleTest)
endif()

# What every test runs with. ThreadSanitizer needs a fixed address layout on this kernel, hence setarch.
set(LOCKSTEP_TEST_ENVIRONMENT
    "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.supp:halt_on_error=1:second_deadlock_stack=1"
    "ASAN_OPTIONS=verify_asan_link_order=0"  # the agent is preloaded, and comes before the sanitizer's library
    "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/lsan.supp"
    "LOCKSTEP_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "LOCKSTEP_BUILD_DIR=${PROJECT_BINARY_DIR}")

# Sanitizers make programs slower, by ten and more.
set(lockstep_timeout_factor 1)
if(LOCKSTEP_SANITIZE)
    set(lockstep_timeout_factor 5)
endif()

# A test marked PROCESSES runs programs beside itself (LTTng's daemons, servers, sandboxes), and when each gets a
# processor is the machine's affair: if it failed, scripts/test runs it once more, alone, and tells so. All others must
# pass the first time.

# lockstep_test(NAME SOURCES … [LIBS …] [LABELS …] [TIMEOUT seconds] [PROCESSES]): a GoogleTest binary, one ctest test a TEST().
function(lockstep_test name)
    if(NOT LOCKSTEP_TESTS)
        return()
    endif()
    cmake_parse_arguments(ARG "PROCESSES" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
    if(ARG_PROCESSES)
        list(APPEND ARG_LABELS processes)
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 180)
    endif()
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * ${lockstep_timeout_factor}")
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LIBS} lockstep_flags GTest::gtest_main GTest::gmock)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
    if(LOCKSTEP_SANITIZE MATCHES thread)
        set_target_properties(${name} PROPERTIES CROSSCOMPILING_EMULATOR "setarch;-R")
    endif()
    # gtest_discover_tests takes its properties apart three times on their way to ctest: so many backslashes keep a list whole.
    string(REPLACE ";" [[\\\\\\\;]] labels "${ARG_LABELS}")
    string(REPLACE ";" [[\\\\\\\;]] environment "${LOCKSTEP_TEST_ENVIRONMENT}")
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 30
        PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${labels}" ENVIRONMENT "${environment}")
endfunction()

# lockstep_script_test(NAME COMMAND … [LABELS …] [TIMEOUT seconds] [SERIAL] [PROCESSES]): any command; exit status 0
# passes. Scenarios, which have the processors' use for themselves in mind and end many processes at once, are not run
# beside each other.
function(lockstep_script_test name)
    if(NOT LOCKSTEP_TESTS)
        return()
    endif()
    cmake_parse_arguments(ARG "SERIAL;PROCESSES" "TIMEOUT" "COMMAND;LABELS" ${ARGN})
    if(ARG_PROCESSES)
        list(APPEND ARG_LABELS processes)
    endif()
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 180)
    endif()
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * ${lockstep_timeout_factor}")
    add_test(NAME ${name} COMMAND ${ARG_COMMAND})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
        ENVIRONMENT "${LOCKSTEP_TEST_ENVIRONMENT}" RUN_SERIAL "${ARG_SERIAL}")
    if("scenario" IN_LIST ARG_LABELS)
        set_tests_properties(${name} PROPERTIES RESOURCE_LOCK scenario)
    endif()
endfunction()

# lockstep_fuzz_targets(FILE_fuzz.cpp… [LIBS …]): with clang, a libFuzzer program for each. Their entry points run in tests as well.
function(lockstep_fuzz_targets)
    cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
    if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang OR NOT LOCKSTEP_TESTS)
        return()
    endif()
    foreach(source IN LISTS ARG_UNPARSED_ARGUMENTS)
        get_filename_component(name ${source} NAME_WE)
        lockstep_program(${name} SOURCES ${source} LIBS ${ARG_LIBS})
        target_compile_definitions(${name} PRIVATE LOCKSTEP_FUZZ_ENTRY=LLVMFuzzerTestOneInput)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    endforeach()
endfunction()

# lockstep_benchmark(NAME SOURCES … [LIBS …]): a Google Benchmark binary in bin/, built by the preset `bench`.
function(lockstep_benchmark name)
    if(NOT LOCKSTEP_BENCHMARKS)
        return()
    endif()
    cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
    find_package(benchmark REQUIRED)
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LIBS} lockstep_flags benchmark::benchmark_main)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
endfunction()
