window.dummyLoaded = (window.dummyLoaded || 0) + 1;
