# cmake --install: the public headers, one static library per layer, the command, and a package that finds the Arrow of pyarrow.
#
#   find_package(gristmill REQUIRED)
#   target_link_libraries(app gristmill::gristmill)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(_layers gm_base gm_sched gm_column gm_expr gm_plan gm_exec gm_io gm_frame gm_stream gm_flow gm_sql gm_job)
if(NOT SKBUILD)
  install(DIRECTORY include/gristmill DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  foreach(layer ${_layers})
    install(FILES $<TARGET_FILE:${layer}> DESTINATION ${CMAKE_INSTALL_LIBDIR}/gristmill)
  endforeach()
  # What the cost job runs with is a component: cmake --install build/release --component ocp.
  install(TARGETS gristmill-ocp RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT ocp)
  install(TARGETS gristmill_postgres LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/gristmill COMPONENT ocp)
  install(TARGETS gristmill_http LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/gristmill)
  if(GRISTMILL_RDKAFKA)
    install(TARGETS gristmill_kafka LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/gristmill)
  endif()
  install(TARGETS gristmill RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES cmake/FindArrowWheel.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gristmill)
  configure_package_config_file(cmake/gristmill-config.cmake.in ${CMAKE_BINARY_DIR}/gristmill-config.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gristmill)
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/gristmill-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/gristmill-config.cmake ${CMAKE_BINARY_DIR}/gristmill-config-version.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gristmill)
endif()
