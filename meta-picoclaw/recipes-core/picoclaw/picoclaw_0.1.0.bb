require picoclaw.inc
require ${BPN}-crates.inc
