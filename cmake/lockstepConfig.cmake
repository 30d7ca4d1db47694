# find_package(lockstep): lockstep_add_monitor() for projects that verify themselves.
get_filename_component(_lockstep_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(LOCKSTEP_PROGRAM "${_lockstep_prefix}/bin/lockstep")
set(LOCKSTEP_AGENT_LIBRARY "${_lockstep_prefix}/lib/liblockstep_agent.so")
if(NOT EXISTS "${LOCKSTEP_PROGRAM}")
    set(lockstep_FOUND FALSE)
    set(lockstep_NOT_FOUND_MESSAGE "there is no ${LOCKSTEP_PROGRAM}")
    return()
endif()

# lockstep_add_monitor(FILE.dot|FILE.ltl [TARGET name] [TRACEPOINTS folder…] [DESTINATION folder]): compiles a property into NAME.so, NAME being
# the file's, by the target monitor_NAME (or `name`), as part of `all`. TRACEPOINTS: folders with the project's own .tp files. What is wrong
# with the automaton is an error of the build, with its place.
function(lockstep_add_monitor dot_file)
    cmake_parse_arguments(ARG "" "TARGET;DESTINATION" "TRACEPOINTS" ${ARGN})
    get_filename_component(dot_file "${dot_file}" ABSOLUTE)
    get_filename_component(name "${dot_file}" NAME_WE)
    if(NOT ARG_TARGET)
        set(ARG_TARGET monitor_${name})
    endif()
    if(NOT ARG_DESTINATION)
        set(ARG_DESTINATION ${CMAKE_CURRENT_BINARY_DIR})
    endif()
    set(tracepoints)
    set(declarations)
    foreach(folder IN LISTS ARG_TRACEPOINTS)
        get_filename_component(folder "${folder}" ABSOLUTE)
        list(APPEND tracepoints --tracepoints "${folder}")
        file(GLOB found CONFIGURE_DEPENDS "${folder}/*.tp")
        list(APPEND declarations ${found})
    endforeach()
    set(result ${ARG_DESTINATION}/${name}.so)
    add_custom_command(OUTPUT ${result}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${ARG_DESTINATION}
        COMMAND ${LOCKSTEP_PROGRAM} compile ${tracepoints} -o ${result} ${dot_file}
        DEPENDS ${dot_file} ${declarations} ${LOCKSTEP_PROGRAM}
        COMMENT "Compiling the property ${name}" VERBATIM)
    add_custom_target(${ARG_TARGET} ALL DEPENDS ${result})
endfunction()
