# How everything is compiled: language, warnings, sanitizers, where results go. Every folder uses lockstep_library and
# lockstep_program, so that a flag is changed here and nowhere else.

option(LOCKSTEP_WERROR "Warnings are errors" OFF)
option(LOCKSTEP_TESTS "Build the tests" ON)
option(LOCKSTEP_BENCHMARKS "Build the benchmarks under bench/" OFF)
set(LOCKSTEP_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, for example address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)  # generated monitors are C++17: Boost.MSM 1.74 does not compile as C++20 with g++ 12
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/archive)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib:$ORIGIN")  # what is installed finds itself wherever it lies

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
# Not optimised: with -O1 and more, g++ 12 warns of overflows in std::string that are not there.
set(CMAKE_CXX_FLAGS_DEV "-g1")
set(CMAKE_C_FLAGS_DEV "-g1")

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(lockstep_flags INTERFACE)
target_include_directories(lockstep_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_options(lockstep_flags INTERFACE
    -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wcast-align -Woverloaded-virtual -Wimplicit-fallthrough)
if(LOCKSTEP_WERROR)
    target_compile_options(lockstep_flags INTERFACE -Werror)
endif()
if(LOCKSTEP_SANITIZE)
    add_compile_options(-fsanitize=${LOCKSTEP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${LOCKSTEP_SANITIZE})
endif()
target_link_libraries(lockstep_flags INTERFACE Threads::Threads)

# The presets for users (release, bench) compile the sources of a library together, eight at a time: what they include is read once
# for all of them, which halves the time of the build. Names in unnamed namespaces are thus shared by a library's sources. The other
# presets compile each by itself, so that each is seen to include what it uses; what that warns of is not asked again.
if(CMAKE_UNITY_BUILD)
    target_compile_options(lockstep_flags INTERFACE -Wno-shadow -Wno-subobject-linkage)
endif()

# lockstep_library(NAME [SHARED] SOURCES … [LIBS …]): a library with the project's flags.
function(lockstep_library name)
    cmake_parse_arguments(ARG "SHARED" "" "SOURCES;LIBS" ${ARGN})
    if(ARG_SHARED)
        add_library(${name} SHARED ${ARG_SOURCES})
    else()
        add_library(${name} STATIC ${ARG_SOURCES})
    endif()
    target_link_libraries(${name} PUBLIC ${ARG_LIBS} PRIVATE $<BUILD_INTERFACE:lockstep_flags>)
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                              $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/generated>)
endfunction()

# lockstep_program(NAME SOURCES … [LIBS …]): a program in bin/.
function(lockstep_program name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE ${ARG_LIBS} lockstep_flags)
    # A program's own sources read options and join libraries: hardly optimised, they are built in less time.
    target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-Og>)
endfunction()
