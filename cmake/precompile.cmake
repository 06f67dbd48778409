# Precompiled headers that ccache can share: the compiler's file differs each time it is made (addresses), so what it was made from
# stands in a .sum beside it, which ccache reads instead (CCACHE_PCH_EXTSUM).
function(gristmill_precompile target)
  set(header ${CMAKE_SOURCE_DIR}/src/precompiled.h)
  target_precompile_headers(${target} PRIVATE ${ARGN} ${header})
  file(SHA256 ${header} content)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${target}.dir/cmake_pch.hxx.gch.sum
    CONTENT "${content} ${CMAKE_CXX_COMPILER_VERSION} ${ARROW_WHEEL_VERSION} ${ARGN}\n")
endfunction()
