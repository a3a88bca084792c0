/* SPDX-License-Identifier: MIT
 * Functions that let the GIL go and wait for it from frames that are not what they should be: rbp
 * is garbage and no table says how to leave, or one says so and lies.
 */
__asm__(".text\n"
        ".macro frame name\n"
        "    .globl \\name\n"
        "    .type \\name, @function\n"
        "\\name:\n"
        "    push %rbp\n"
        "    sub $16, %rsp\n"
        "    movabs $0x4141414141414141, %rbp\n"
        "    call PyEval_SaveThread@PLT\n"
        "    mov %rax, %rdi\n"
        "    call PyEval_RestoreThread@PLT\n"
        "    add $16, %rsp\n"
        "    pop %rbp\n"
        "    ret\n"
        "    .size \\name, . - \\name\n"
        ".endm\n"
        "    frame no_table\n"
        "    .cfi_startproc\n" /* the end of the frame is said to be where rbp, garbage, points */
        "    .cfi_def_cfa %rbp, 16\n"
        "    frame lies_by_bp\n"
        "    .cfi_endproc\n"
        "    .cfi_startproc\n" /* far above the stack */
        "    .cfi_def_cfa %rsp, 0x7ffffff0\n"
        "    frame lies_far\n"
        "    .cfi_endproc\n"
        "    .cfi_startproc\n" /* itself again */
        "    .cfi_def_cfa %rsp, 8\n"
        "    frame lies_near\n"
        "    .cfi_endproc\n");
