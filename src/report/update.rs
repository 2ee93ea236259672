//! State of a software update, for the twin, a status command and an indicator.

/// State of an update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpdateState {
    /// None is under way.
    #[default]
    Idle,
    /// The application has not yet allowed the next step.
    Waiting,
    /// A file is being downloaded: bytes in flash, and bytes of the file.
    Downloading(u32, u32),
    /// The device is about to restart into another image.
    Restarting,
    /// The new image runs, and has to join its hub to be kept.
    OnTrial,
    /// The last update failed.
    Failed,
}

impl UpdateState {
    /// The name in the twin and in `getStatus`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Downloading(..) => "downloading",
            Self::Restarting => "restarting",
            Self::OnTrial => "onTrial",
            Self::Failed => "failed",
        }
    }

    /// Part of the file that is in flash, in percent; `None` if no file is being downloaded.
    pub fn percent(self) -> Option<u8> {
        let Self::Downloading(written, size) = self else {
            return None;
        };
        let percent = u64::from(written) * 100 / u64::from(size.max(1));
        u8::try_from(percent.min(100)).ok()
    }

    /// True if the device changes its image, so that an indicator shows it.
    pub const fn is_under_way(self) -> bool {
        matches!(
            self,
            Self::Downloading(..) | Self::Restarting | Self::OnTrial
        )
    }

    /// True if the other one is worth a report: another state, or a tenth more of the file.
    pub(crate) fn differs(self, other: Self) -> bool {
        let tenths = |state: Self| state.percent().map(|percent| percent / 10);
        self.name() != other.name() || tenths(self) != tenths(other)
    }
}

#[cfg(test)]
mod tests {
    use super::UpdateState::{self, Downloading, Idle, OnTrial};

    #[test]
    fn a_tenth_more_of_a_file_is_news_and_less_is_not() {
        let differs =
            |from: u32, to| UpdateState::differs(Downloading(from, 1000), Downloading(to, 1000));
        assert!(!differs(0, 99) && differs(0, 100) && differs(999, 1000) && !differs(200, 299));
        assert!(Idle.differs(OnTrial) && !Idle.differs(Idle));
        assert_eq!(Downloading(7, 0).percent(), Some(100));
        assert_eq!(Downloading(u32::MAX / 2, u32::MAX).percent(), Some(49));
        assert_eq!(OnTrial.percent(), None);
    }
}
