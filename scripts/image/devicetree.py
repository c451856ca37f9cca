"""Flattened device trees: what a device cannot work without, by the properties that Linux itself follows (fw_devlink).

Not followed: dmas and iommus, which Linux takes as optional (fw_devlink.strict=0): without them drivers work by themselves."""
import struct

BEGIN, END, PROP, NOP, FINISH = 1, 2, 3, 4, 9
# Property: (the provider's number of cells, or None where a phandle stands alone).
SUPPLIERS = {
    "clocks": "#clock-cells", "resets": "#reset-cells", "phys": "#phy-cells", "mboxes": "#mbox-cells",
    "power-domains": "#power-domain-cells", "interrupts-extended": "#interrupt-cells", "io-channels": "#io-channel-cells",
    "hwlocks": "#hwlock-cells", "pwms": "#pwm-cells", "mmc-pwrseq": None, "phy-handle": None, "extcon": None,
    "nvmem-cells": None, "interrupt-parent": None, "mdio-parent-bus": None}


class Node:
    def __init__(self, name, parent):
        self.name, self.parent, self.properties, self.children = name, parent, {}, []

    def path(self):
        return "/" if self.parent is None else self.parent.path().rstrip("/") + "/" + self.name

    def words(self, name):
        return [w.decode("ascii", "replace") for w in self.properties.get(name, b"").split(b"\0") if w]

    def cells(self, name):
        data = self.properties.get(name, b"")
        return list(struct.unpack(f">{len(data) // 4}I", data[:len(data) // 4 * 4]))

    def compatible(self):
        return self.words("compatible")

    def enabled(self):
        return self.words("status") in ([], ["okay"], ["ok"])


class Tree:
    """A tree from the bytes of a .dtb; ValueError says what is wrong with them."""

    def __init__(self, data):
        if len(data) < 40 or data[:4] != b"\xd0\x0d\xfe\xed":
            raise ValueError("no flattened device tree")
        structure, strings = struct.unpack_from(">II", data, 8)
        self.root, self.phandles, at, here = None, {}, structure, None
        while True:
            (token,) = struct.unpack_from(">I", data, at)
            at += 4
            if token == BEGIN:
                end = data.index(b"\0", at)
                here = Node(data[at:end].decode(), here)
                if here.parent is None:
                    self.root = here
                else:
                    here.parent.children.append(here)
                at = (end + 4) & ~3
            elif token == END:
                here = here.parent
            elif token == PROP:
                size, name = struct.unpack_from(">II", data, at)
                key = data[strings + name:data.index(b"\0", strings + name)].decode()
                here.properties[key] = data[at + 8:at + 8 + size]
                if key in ("phandle", "linux,phandle"):
                    self.phandles[struct.unpack(">I", here.properties[key])[0]] = here
                at = (at + 8 + size + 3) & ~3
            elif token == FINISH:
                return
            elif token != NOP:
                raise ValueError(f"token {token} at byte {at - 4}")

    def nodes(self, node=None):
        node = node or self.root
        yield node
        for child in node.children:
            yield from self.nodes(child)

    def find(self, path):
        """A node by path, alias or the part of its name before and after the @."""
        path = (self.alias(path) or path) if not path.startswith("/") else path
        for node in self.nodes():
            if node.path() == path:
                return node
        return None

    def alias(self, name):
        for child in self.root.children:
            if child.name == "aliases":
                return next(iter(child.words(name)), None)
        return None

    def console(self):
        """The node of /chosen's stdout-path."""
        for child in self.root.children:
            if child.name == "chosen" and child.words("stdout-path"):
                return self.find(child.words("stdout-path")[0].split(":")[0])
        return None

    def listed(self, node, name, cells):
        """The nodes a property points at, each with the cells that follow its phandle."""
        words = node.cells(name)
        while words:
            phandle, words = words[0], words[1:]
            target = self.phandles.get(phandle)
            if target is None:
                # Zero leaves an entry out.
                continue
            yield target
            count = (target.cells(cells) or [0])[0] if cells else 0
            words = words[count:]

    def suppliers(self, node):
        """(property, node) for everything that has to work before this device does, its buses included."""
        for name in node.properties:
            if name in SUPPLIERS:
                found = self.listed(node, name, SUPPLIERS[name])
            elif name.endswith("-supply") or (name.startswith("pinctrl-") and name[8:].isdigit()):
                found = self.listed(node, name, None)
            elif name.endswith("-gpios") or name.endswith("-gpio") or name == "gpios":
                found = self.listed(node, name, "#gpio-cells")
            else:
                continue
            for target in found:
                yield name, device(target)
        if "interrupts" in node.properties and "interrupt-parent" not in node.properties:
            above = node.parent
            while above is not None and "interrupt-parent" not in above.properties:
                above = above.parent
            if above is not None:
                for target in self.listed(above, "interrupt-parent", None):
                    yield "interrupts", device(target)
        if node.parent is not None and node.parent.compatible() and node.parent.parent is not None:
            yield "bus", node.parent

    def chain(self, node):
        """All suppliers of a device as (node, who asks for it), each once, deepest first."""
        seen, order = set(), []

        def visit(node, why):
            if node is None or id(node) in seen or node.parent is None:
                return
            seen.add(id(node))
            for name, supplier in self.suppliers(node):
                visit(supplier, f"{name} of {node.name}")
            order.append((node, why))
        visit(node, "asked for")
        return order


def device(node):
    """The nearest node that a driver binds to: pins and regulators stand below theirs."""
    while node is not None and not node.compatible():
        node = node.parent
    return node
