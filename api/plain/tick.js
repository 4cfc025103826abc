// A timer outside the page: in a hidden tab browsers slow a page's own timers down to one a minute, and then neither
// a cut line nor the next ring would be noticed in time.
setInterval(() => postMessage(0), 500);
