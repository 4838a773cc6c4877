export const panel = true;
