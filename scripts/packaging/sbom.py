#!/usr/bin/env python3
"""Prints a CycloneDX 1.5 bill of materials of the binary: packages of docs/licences.md that are in
it, with the checksums of Cargo.lock.

  sbom.py BINARY
"""
import datetime, hashlib, json, os, pathlib, re, sys, tomllib, uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    binary = pathlib.Path(sys.argv[1]).read_bytes()
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    lock = {(p["name"], p["version"]): p for p in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]}
    shipped = (ROOT / "docs/licences.md").read_text().split("## Only for")[0]
    components = []
    for name, version, licence, source in re.findall(r"^\| (\S+) \| (\d\S*) \| (.*?) \| (.*?) \|$", shipped, re.M):
        package = lock.get((name, version))
        if package is None:
            sys.exit(f"sbom: {name} {version} is not in Cargo.lock: run scripts/licences")
        component = {
            "type": "library", "bom-ref": f"pkg:cargo/{name}@{version}", "name": name, "version": version,
            "purl": f"pkg:cargo/{name}@{version}", "hashes": [{"alg": "SHA-256", "content": package["checksum"]}],
            "licenses": [{"expression": licence.replace("/", " OR ")}]}
        if source.startswith("http"):
            component["externalReferences"] = [{"type": "vcs", "url": source}]
        components.append(component)
    digest = hashlib.sha256(binary).hexdigest()
    when = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    ref = f"pkg:cargo/{manifest['name']}@{manifest['version']}"
    print(json.dumps({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        # The same input has the same number.
        "serialNumber": f"urn:uuid:{uuid.UUID(digest[:32])}",
        "metadata": {
            "timestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application", "bom-ref": ref, "name": manifest["name"], "version": manifest["version"], "purl": ref,
                "hashes": [{"alg": "SHA-256", "content": digest}], "licenses": [{"expression": manifest["license"]}]}},
        "components": components,
    }, indent=1))


main()
