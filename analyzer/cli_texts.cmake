# SPDX-License-Identifier: MIT
# Man pages and shell completions, printed by the program itself from its option table.
# Included by analyzer/CMakeLists.txt after the target gilscope.
set(GS_TEXT_DIR ${CMAKE_CURRENT_BINARY_DIR}/texts)
set(GS_COMMANDS run stats report export whatif calibrate dump recover symbolize doctor completions
                help)
set(GS_TEXTS "")

function(gs_text_from_program file)
  add_custom_command(
    OUTPUT ${GS_TEXT_DIR}/${file}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${GS_TEXT_DIR}
    COMMAND gilscope ${ARGN} > ${GS_TEXT_DIR}/${file}
    DEPENDS gilscope
    COMMENT "Writing ${file}")
  set(GS_TEXTS ${GS_TEXTS} ${GS_TEXT_DIR}/${file} PARENT_SCOPE)
endfunction()

gs_text_from_program(gilscope.1 __man)
foreach(cmd ${GS_COMMANDS})
  gs_text_from_program(gilscope-${cmd}.1 __man ${cmd})
endforeach()
set(GS_MAN_PAGES ${GS_TEXTS})
gs_text_from_program(gilscope.bash completions bash)
gs_text_from_program(_gilscope completions zsh)
gs_text_from_program(gilscope.fish completions fish)
add_custom_target(gs_cli_texts ALL DEPENDS ${GS_TEXTS})

install(FILES ${GS_MAN_PAGES} DESTINATION share/man/man1)
install(FILES ${GS_TEXT_DIR}/gilscope.bash RENAME gilscope
        DESTINATION share/bash-completion/completions)
install(FILES ${GS_TEXT_DIR}/_gilscope DESTINATION share/zsh/site-functions)
install(FILES ${GS_TEXT_DIR}/gilscope.fish DESTINATION share/fish/vendor_completions.d)
