def load(store): raise NotImplementedError
