# Arrow C++ as the pyarrow wheel carries it: asks Python where it is and makes imported targets
# Arrow::arrow, Arrow::compute, Arrow::parquet. One Arrow then serves the engine and Python alike.
if(NOT GRISTMILL_PYTHON)
  if(EXISTS "${CMAKE_SOURCE_DIR}/.venv/bin/python")
    set(GRISTMILL_PYTHON "${CMAKE_SOURCE_DIR}/.venv/bin/python")
  else()
    find_program(GRISTMILL_PYTHON NAMES python3 python REQUIRED)
  endif()
endif()
execute_process(
  COMMAND "${GRISTMILL_PYTHON}" -c "import pyarrow as p; print(p.get_include()); print(p.get_library_dirs()[0]); print(p.__version__)"
  OUTPUT_VARIABLE _arrow RESULT_VARIABLE _failed OUTPUT_STRIP_TRAILING_WHITESPACE)
if(_failed)
  message(FATAL_ERROR "pyarrow is not importable by ${GRISTMILL_PYTHON}; run ./run setup")
endif()
string(REPLACE "\n" ";" _arrow "${_arrow}")
list(GET _arrow 0 ARROW_WHEEL_INCLUDE)
list(GET _arrow 1 ARROW_WHEEL_LIB)
list(GET _arrow 2 ARROW_WHEEL_VERSION)
string(REGEX MATCH "^([0-9]+)\\.([0-9]+)" _ "${ARROW_WHEEL_VERSION}")
math(EXPR _soversion "${CMAKE_MATCH_1} * 100 + ${CMAKE_MATCH_2}")
message(STATUS "Arrow ${ARROW_WHEEL_VERSION} from ${ARROW_WHEEL_LIB}")

function(_arrow_component target file)
  if(NOT TARGET Arrow::${target})
    add_library(Arrow::${target} SHARED IMPORTED GLOBAL)
    set_target_properties(Arrow::${target} PROPERTIES
      IMPORTED_LOCATION "${ARROW_WHEEL_LIB}/lib${file}.so.${_soversion}"
      IMPORTED_SONAME "lib${file}.so.${_soversion}"
      INTERFACE_INCLUDE_DIRECTORIES "${ARROW_WHEEL_INCLUDE}"
      INTERFACE_COMPILE_FEATURES cxx_std_20)
  endif()
endfunction()
_arrow_component(arrow arrow)
_arrow_component(compute arrow_compute)
_arrow_component(parquet parquet)
set_property(TARGET Arrow::compute PROPERTY INTERFACE_LINK_LIBRARIES Arrow::arrow)
set_property(TARGET Arrow::parquet PROPERTY INTERFACE_LINK_LIBRARIES Arrow::arrow)
