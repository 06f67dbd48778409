# The live page stays three files of their own, which a browser shows as they are; the program holds their text.
set(page ${CMAKE_CURRENT_SOURCE_DIR}/job/live)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page}/page.html ${page}/page.js ${page}/page.css)
file(READ ${page}/page.html GRISTMILL_PAGE_HTML)
file(READ ${page}/page.js GRISTMILL_PAGE_SCRIPT)
file(READ ${page}/page.css GRISTMILL_PAGE_STYLE)
configure_file(${page}/page.cc.in ${CMAKE_CURRENT_BINARY_DIR}/live_page.cc @ONLY)
target_sources(gm_job PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/live_page.cc)
