// The vdso that the stage maps for the program (vdso/), as the build made it, in the stage's own
// read-only data.

  .section .rodata
  .globl stage_vdso_image, stage_vdso_image_end
  .hidden stage_vdso_image, stage_vdso_image_end
  .p2align 4
stage_vdso_image:
  .incbin REPRISE_VDSO_FILE
stage_vdso_image_end:

  .section .note.GNU-stack, "", @progbits
