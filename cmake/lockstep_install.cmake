# `cmake --install`: the layout of the build tree, which finds itself wherever it lies: bin/, and lib/ with lib/lockstep/ (compiled
# properties, tracepoint declarations, headers for generated monitors); beside it the automata, manual pages, the shell's completion, and
# the package that find_package(lockstep) finds.
include(CMakePackageConfigHelpers)

install(TARGETS lockstep nfs_server lock_client file_client dlm_node lockstep_live_marker RUNTIME DESTINATION bin)
install(TARGETS lockstep_agent lockstep_shim lockstep_thread_locks lockstep_file_locks lockstep_tracepoints lockstep_outside_events LIBRARY DESTINATION lib)
install(DIRECTORY ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/lockstep DESTINATION lib USE_SOURCE_PERMISSIONS
    PATTERN "monitors/*.dot" EXCLUDE PATTERN "monitors/*.ltl" EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/dot DESTINATION share/lockstep FILES_MATCHING PATTERN "*.dot" PATTERN "*.ltl" PATTERN "bad" EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/netns_harness/scenarios DESTINATION share/lockstep)

write_basic_package_version_file(${PROJECT_BINARY_DIR}/lockstepConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_SOURCE_DIR}/cmake/lockstepConfig.cmake ${PROJECT_BINARY_DIR}/lockstepConfigVersion.cmake
    DESTINATION lib/cmake/lockstep)

install(CODE [[
    set(prefix "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
    execute_process(COMMAND "${prefix}/bin/lockstep" manual "${prefix}/share/man/man1" COMMAND_ERROR_IS_FATAL ANY)
    file(MAKE_DIRECTORY "${prefix}/share/bash-completion/completions")
    execute_process(COMMAND "${prefix}/bin/lockstep" completion
        OUTPUT_FILE "${prefix}/share/bash-completion/completions/lockstep" COMMAND_ERROR_IS_FATAL ANY)
]])

# Not under a sanitizer: its runtime does not travel with what is installed.
if(NOT LOCKSTEP_SANITIZE)
    lockstep_script_test(install LABELS house
        COMMAND ${PROJECT_SOURCE_DIR}/cmake/install_test/run ${PROJECT_BINARY_DIR})
endif()
