# Adds what the assistant needs to every kernel recipe, whatever it is built from: INHERIT += "picoclaw-kernel".
# Limits on memory and processes, the sandbox of tools. The build ends where an option did not take.

PICOCLAW_KERNEL_CFG ?= "${PICOCLAW_LAYERDIR}/recipes-core/picoclaw/files/picoclaw.cfg"

python () {
    if not bb.data.inherits_class('kernel', d):
        return
    fragment = d.getVar('PICOCLAW_KERNEL_CFG')
    d.appendVarFlag('do_configure', 'file-checksums', ' %s:True' % fragment)
    d.appendVar('do_configure', '''
    cat %s >> ${B}/.config
    oe_runmake -C ${S} O=${B} olddefconfig
    while read -r line; do
        grep -q -x -F -e "$line" ${B}/.config || bbfatal "picoclaw-kernel: $line did not take"
    done < %s
''' % (fragment, fragment))
}
