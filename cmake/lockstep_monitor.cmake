# lockstep_add_monitor(FILE.dot|FILE.ltl [TARGET name] [TRACEPOINTS folder] [DESTINATION folder] [ENCODING boost_msm|branches]): compiles a property into the shared
# object NAME.so, NAME being the file's, with the target monitor_NAME (or `name`). Programs find those in lib/lockstep/monitors by name.
#
# Its translation unit is C++17 (Boost.MSM 1.74 is not C++20 for g++ 12), optimised and without asserts or debug information
# whatever the preset: a monitor runs inside somebody's program. No GNU-unique symbols: they would pin it in memory after dlclose.
# No vectors of neighbouring fields: read as one right after they were written one by one, they would wait for the store buffer (a quarter
# of an event's time).
function(lockstep_add_monitor dot_file)
    cmake_parse_arguments(ARG "" "TARGET;TRACEPOINTS;DESTINATION;ENCODING" "" ${ARGN})
    get_filename_component(dot_file ${dot_file} ABSOLUTE)
    get_filename_component(name ${dot_file} NAME_WE)
    if(NOT ARG_TARGET)
        set(ARG_TARGET monitor_${name})
    endif()
    if(NOT ARG_TRACEPOINTS)
        set(ARG_TRACEPOINTS ${PROJECT_SOURCE_DIR}/tracepoints)
    endif()
    if(NOT ARG_DESTINATION)
        set(ARG_DESTINATION ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/lockstep/monitors)
    endif()
    file(GLOB declarations CONFIGURE_DEPENDS ${ARG_TRACEPOINTS}/*.tp)

    set(source ${CMAKE_CURRENT_BINARY_DIR}/monitors/${ARG_TARGET}.cpp)
    add_custom_command(OUTPUT ${source}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/monitors
        COMMAND lockstep_codegen_tool ${dot_file} ${source} ${ARG_TRACEPOINTS} ${ARG_ENCODING}
        DEPENDS ${dot_file} ${declarations} lockstep_codegen_tool
        COMMENT "Generating the monitor of ${name}" VERBATIM)

    add_library(${ARG_TARGET} MODULE ${source})
    # Beside it lies what it was compiled from: whoever loads it notices when that has changed since.
    get_filename_component(file_name ${dot_file} NAME)
    add_custom_command(TARGET ${ARG_TARGET} POST_BUILD
        COMMAND ${CMAKE_COMMAND} -E create_symlink ${dot_file} ${ARG_DESTINATION}/${file_name})
    set_target_properties(${ARG_TARGET} PROPERTIES
        PREFIX "" OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY ${ARG_DESTINATION}
        CXX_STANDARD 17 CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    target_include_directories(${ARG_TARGET} PRIVATE ${PROJECT_SOURCE_DIR})
    target_compile_options(${ARG_TARGET} PRIVATE -O2 -DNDEBUG -g0 $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique> -fno-tree-slp-vectorize -Wall -Wextra -Wno-unused-parameter -Werror
        $<$<CXX_COMPILER_ID:Clang>:-Wno-unused-const-variable>)  # what an event does not start has a state to start in nevertheless
    # A fuzzer keeps pointers to the counters of what it has seen loaded, and this is unloaded again.
    if(LOCKSTEP_SANITIZE MATCHES fuzzer)
        target_compile_options(${ARG_TARGET} PRIVATE -fno-sanitize=fuzzer-no-link)
    endif()
endfunction()
