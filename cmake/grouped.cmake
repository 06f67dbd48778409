# Small files of one folder compiled together: a group pays once for the headers and templates its files share, which takes a third
# off a clean build (six files of src/exec: 10 to 5 s of processor time). A file's group follows from its name alone, so a new file changes one group;
# what stands in an unnamed namespace must have a name of its own within the layer.
function(gristmill_group target groups)
  get_target_property(sources ${target} SOURCES)
  foreach(source ${sources})
    file(RELATIVE_PATH name ${CMAKE_CURRENT_SOURCE_DIR} ${source})
    if(NOT name MATCHES "/simd/")
      string(SHA256 hash ${name})
      string(SUBSTRING ${hash} 0 4 hash)
      math(EXPR group "0x${hash} % ${groups}")
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP "${target}_${group}")
    endif()
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()
