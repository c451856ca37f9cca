//! System calls with conditions on their arguments, of which seccompiler makes a filter.

use std::collections::BTreeMap;
use std::io;

use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::Eq;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// seccompiler did not take the rules: there is no occasion, as they are constants, but on a processor that it does not know.
#[derive(Debug)]
pub(super) struct Unbuilt;

impl From<BackendError> for Unbuilt {
    fn from(_: BackendError) -> Unbuilt {
        Unbuilt
    }
}

impl From<Unbuilt> for io::Error {
    fn from(_: Unbuilt) -> io::Error {
        io::ErrorKind::InvalidInput.into()
    }
}

/// System calls, each with the cases in which it is meant; none: always.
#[derive(Default)]
pub(super) struct CallRules(BTreeMap<i64, Vec<SeccompRule>>);

impl CallRules {
    /// These calls, whatever their arguments.
    pub(super) fn always(calls: &[i64]) -> CallRules {
        let mut rules = CallRules::default();
        for call in calls {
            rules.0.insert(*call, Vec::new());
        }
        rules
    }

    /// The call when all of these arguments compare so. Only their low half counts; what is looked at are ints.
    pub(super) fn when(
        &mut self,
        call: i64,
        all: &[(u8, SeccompCmpOp, u32)],
    ) -> Result<(), Unbuilt> {
        let conditions = all.iter().map(|(argument, compare, value)| {
            SeccompCondition::new(*argument, Dword, compare.clone(), (*value).into())
        });
        let rule = SeccompRule::new(conditions.collect::<Result<_, _>>()?)?;
        self.0.entry(call).or_default().push(rule);
        Ok(())
    }

    /// The call when this argument is one of these.
    pub(super) fn values(
        &mut self,
        call: i64,
        argument: u8,
        values: &[u32],
    ) -> Result<(), Unbuilt> {
        values.iter().try_for_each(|value| self.when(call, &[(argument, Eq, *value)]))
    }

    /// The filter with this answer to them; it ends programs of another architecture.
    pub(super) fn program(self, answer: SeccompAction) -> Result<BpfProgram, Unbuilt> {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        Ok(SeccompFilter::new(self.0, SeccompAction::Allow, answer, arch)?.try_into()?)
    }
}
