//! Repeatable randomness of our own, so that a seed gives the same company whatever version of `rand` is locked.

/// `SplitMix64`: tiny, fast, and good enough for names and dates.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A generator for one purpose (`stream`) of one `seed`.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.next();
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to and without `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let wide = (u128::from(self.next()) * (bound as u128)) >> 64;
        usize::try_from(wide).expect("a product shifted by 64 is below its factor")
    }

    /// A number of days from 0 up to and without `bound`.
    pub fn days(&mut self, bound: u16) -> i64 {
        i64::from(u16::try_from(self.below(usize::from(bound))).expect("below a u16"))
    }

    /// True once in `n` times on average.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// The `number`-th identifier of a seed, in the form of a version 4 UUID.
pub(super) fn uuid(seed: u64, number: u64) -> String {
    let mut random = Random::new(seed, number.wrapping_add(0x5eed_0000_0000));
    let (a, b) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0x0fff,
        ((b >> 48) & 0x3fff) | 0x8000,
        b & 0xffff_ffff_ffff
    )
}
