//! How an input is read as a plan: the first octets say where to cut, the rest is what is cut.

/// Takes decisions from the front of the input; zeros when it is used up.
pub(crate) struct Plan<'a>(&'a [u8]);

impl<'a> Plan<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.next()) % limit.max(1)
    }

    /// So many octets, or what is left.
    pub(crate) fn take(&mut self, octets: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(octets.min(self.0.len()));
        self.0 = rest;
        head
    }

    /// A piece whose length its first octet tells.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let octets = usize::from(self.next());
        self.take(octets)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Splits an input in a list of piece lengths and the octets that are cut so.
pub(crate) fn cuts(input: &[u8]) -> (Vec<usize>, &[u8]) {
    let mut plan = Plan::new(input);
    let count = plan.below(24);
    let sizes = plan.take(count).iter().map(|&size| usize::from(size) % 40 + 1).collect();
    (sizes, plan.rest())
}

/// The pieces of `octets`: each of a planned length, over and over; without a plan octet by octet.
pub(crate) fn pieces<'a>(sizes: &[usize], octets: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes: Vec<usize> = sizes.to_vec();
    if sizes.is_empty() {
        sizes.push(1);
    }
    let (mut at, mut rest) = (0, octets);
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let size = sizes[at % sizes.len()].min(rest.len());
        at += 1;
        let (piece, tail) = rest.split_at(size);
        rest = tail;
        Some(piece)
    })
}
