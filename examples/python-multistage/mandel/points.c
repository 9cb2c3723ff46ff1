/* For each point of a grid, how many rounds it lasts before it runs away; `most` if it stays. */
void points(double left, double top, double step_x, double step_y, int columns, int rows, int most, int *lasted)
{
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++) {
            double x = left + column * step_x, y = top - row * step_y, a = 0, b = 0;
            int round = 0;
            while (round < most && a * a + b * b < 4) {
                double next = a * a - b * b + x;
                b = 2 * a * b + y;
                a = next;
                round++;
            }
            *lasted++ = round;
        }
}
