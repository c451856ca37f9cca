# Saves and restores registers for all functions: what the compiler calls at their begin and end when it is told
# to be small (+save-restore in scripts/build/board). Names and rules: RISC-V ABIs Specification, "Save and restore".
#
# __riscv_save_N makes room, keeps ra and s0 to s(N-1), and returns to t0; __riscv_restore_N undoes it and
# returns to ra. Frames are multiples of 16 bytes, so each two neighbours are one.
# Linked by scripts/build/toolchain/link-cc; in front of all, so that each call is one short instruction.

	.section .text.millicode, "ax", @progbits

	.macro begin name, other=
	.globl \name
	.hidden \name
	.type \name, @function
\name:
	.ifnb \other
	.globl \other
	.hidden \other
	.type \other, @function
\other:
	.endif
	.endm

	begin __riscv_save_12
	addi sp, sp, -112
	sd s11, 8(sp)
	sd s10, 16(sp)
	sd s9, 24(sp)
	sd s8, 32(sp)
	sd s7, 40(sp)
	sd s6, 48(sp)
	sd s5, 56(sp)
	sd s4, 64(sp)
	sd s3, 72(sp)
	sd s2, 80(sp)
	sd s1, 88(sp)
	sd s0, 96(sp)
	sd ra, 104(sp)
	jr t0

	begin __riscv_save_11, __riscv_save_10
	addi sp, sp, -96
	sd s10, 0(sp)
	sd s9, 8(sp)
	sd s8, 16(sp)
	sd s7, 24(sp)
	sd s6, 32(sp)
	sd s5, 40(sp)
	sd s4, 48(sp)
	sd s3, 56(sp)
	sd s2, 64(sp)
	sd s1, 72(sp)
	sd s0, 80(sp)
	sd ra, 88(sp)
	jr t0

	begin __riscv_save_9, __riscv_save_8
	addi sp, sp, -80
	sd s8, 0(sp)
	sd s7, 8(sp)
	sd s6, 16(sp)
	sd s5, 24(sp)
	sd s4, 32(sp)
	sd s3, 40(sp)
	sd s2, 48(sp)
	sd s1, 56(sp)
	sd s0, 64(sp)
	sd ra, 72(sp)
	jr t0

	begin __riscv_save_7, __riscv_save_6
	addi sp, sp, -64
	sd s6, 0(sp)
	sd s5, 8(sp)
	sd s4, 16(sp)
	sd s3, 24(sp)
	sd s2, 32(sp)
	sd s1, 40(sp)
	sd s0, 48(sp)
	sd ra, 56(sp)
	jr t0

	begin __riscv_save_5, __riscv_save_4
	addi sp, sp, -48
	sd s4, 0(sp)
	sd s3, 8(sp)
	sd s2, 16(sp)
	sd s1, 24(sp)
	sd s0, 32(sp)
	sd ra, 40(sp)
	jr t0

	begin __riscv_save_3, __riscv_save_2
	addi sp, sp, -32
	sd s2, 0(sp)
	sd s1, 8(sp)
	sd s0, 16(sp)
	sd ra, 24(sp)
	jr t0

	begin __riscv_save_1, __riscv_save_0
	addi sp, sp, -16
	sd s0, 0(sp)
	sd ra, 8(sp)
	jr t0

	begin __riscv_restore_12
	ld s11, 8(sp)
	addi sp, sp, 16
	begin __riscv_restore_11, __riscv_restore_10
	ld s10, 0(sp)
	ld s9, 8(sp)
	addi sp, sp, 16
	begin __riscv_restore_9, __riscv_restore_8
	ld s8, 0(sp)
	ld s7, 8(sp)
	addi sp, sp, 16
	begin __riscv_restore_7, __riscv_restore_6
	ld s6, 0(sp)
	ld s5, 8(sp)
	addi sp, sp, 16
	begin __riscv_restore_5, __riscv_restore_4
	ld s4, 0(sp)
	ld s3, 8(sp)
	addi sp, sp, 16
	begin __riscv_restore_3, __riscv_restore_2
	ld s2, 0(sp)
	ld s1, 8(sp)
	addi sp, sp, 16
	begin __riscv_restore_1, __riscv_restore_0
	ld s0, 0(sp)
	ld ra, 8(sp)
	addi sp, sp, 16
	ret
